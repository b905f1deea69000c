"""Functions of each element, and softmax."""

from __future__ import annotations

from functools import partial
from typing import Any

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.ops.table import OPS, op
from bigdl_caffe.from_torch.values import Top, Weight, fixed

FLT_MAX = 3.4028234663852886e38
"""The largest float: Clip takes both of its bounds."""

PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "relu.default": ("ReLU", {}),
    "sigmoid.default": ("Sigmoid", {}),
    "tanh.default": ("TanH", {}),
    "abs.default": ("AbsVal", {}),
    "silu.default": ("Swish", {}),
    "exp.default": ("Exp", {}),
    "log.default": ("Log", {}),
    "log1p.default": ("Log", {"log_param": {"shift": 1}}),
    "sqrt.default": ("Power", {"power_param": {"power": 0.5}}),
    "rsqrt.default": ("Power", {"power_param": {"power": -0.5}}),
    "reciprocal.default": ("Power", {"power_param": {"power": -1}}),
    "square.default": ("Power", {"power_param": {"power": 2}}),
    "neg.default": ("Power", {"power_param": {"scale": -1}}),
    "relu6.default": ("Clip", {"clip_param": {"min": 0, "max": 6}}),
}
"""Operations of one tensor that are one layer: its type and options."""


def _plain(net: Builder, x: Top, *, kind: str, options: dict[str, Any]) -> Top:
    return net.layer(kind, [x], **options)


OPS.update({name: partial(_plain, kind=k, options=o) for name, (k, o) in PLAIN.items()})


def power(
    net: Builder, x: Top, scale: float = 1, shift: float = 0, power: float = 1, part: str = ""
) -> Top:
    """Return ``(shift + scale * x) ** power`` by a Power layer."""
    given = {"scale": (scale, 1), "shift": (shift, 0), "power": (power, 1)}
    param = {name: value for name, (value, default) in given.items() if value != default}
    return net.layer("Power", [x], part=part, power_param=param)


@op("leaky_relu.default")
def leaky_relu(net: Builder, x: Top, slope: float) -> Top:
    """ReLU with a slope below 0."""
    return net.layer("ReLU", [x], relu_param={"negative_slope": slope})


@op("prelu.default")
def prelu(net: Builder, x: Top, slope: Top | Weight) -> Top:
    """PReLU, with one slope for all channels where there is one."""
    weight = fixed(slope, "slope")
    if weight.tensor.numel() > 1 or x.shape[1:2] == (1,):
        return net.layer("PReLU", [x], [weight])
    return net.layer("PReLU", [x], [weight.reshape()], prelu_param={"channel_shared": True})


@op("elu.default")
def elu(net: Builder, x: Top, alpha: float, scale: float, input_scale: float) -> Top:
    """ELU, times ``scale`` where that is not 1."""
    if input_scale != 1:
        raise UnsupportedLayerError(f"its input_scale is {input_scale}; Caffe's ELU has none")
    top = net.layer("ELU", [x], elu_param={} if alpha == 1 else {"alpha": alpha})
    return top if scale == 1 else power(net, top, scale=scale, part="scale")


@op("selu.default")
def selu(net: Builder, x: Top) -> Top:
    """ELU and a scale, with the numbers of torch.nn.SELU."""
    return elu(net, x, 1.6732632423543772, 1.0507009873554805, 1)


@op("softplus.default")
def softplus(net: Builder, x: Top, beta: float, threshold: float) -> Top:
    """BNLL; beyond a threshold of 20 the two are the same float."""
    if beta != 1 or threshold < 20:
        raise UnsupportedLayerError(
            f"its beta is {beta} and its threshold {threshold}; Caffe's BNLL has 1 and none"
        )
    return net.layer("BNLL", [x])


@op("hardtanh.default", "clamp.default")
def clamp(net: Builder, x: Top, least: float | None, most: float | None) -> Top:
    """Clip, or ReLU where that says the same."""
    if (least, most) == (0, None):
        return net.layer("ReLU", [x])
    bounds = {
        "min": -FLT_MAX if least is None else least,
        "max": FLT_MAX if most is None else most,
    }
    return net.layer("Clip", [x], clip_param=bounds)


@op("clamp_min.default")
def clamp_min(net: Builder, x: Top, least: float) -> Top:
    """Clip from below."""
    return clamp(net, x, least, None)


@op("clamp_max.default")
def clamp_max(net: Builder, x: Top, most: float) -> Top:
    """Clip from above."""
    return clamp(net, x, None, most)


@op("hardsigmoid.default")
def hardsigmoid(net: Builder, x: Top, part: str = "") -> Top:
    """``clip(x / 6 + 1 / 2, 0, 1)``."""
    line = power(net, x, scale=1 / 6, shift=0.5, part="line")
    return net.layer("Clip", [line], part=part, clip_param={"min": 0, "max": 1})


@op("hardswish.default")
def hardswish(net: Builder, x: Top) -> Top:
    """Multiply with its hardsigmoid."""
    gate = hardsigmoid(net, x, part="gate")
    return net.layer("Eltwise", [x, gate], eltwise_param={"operation": pb.EltwiseParameter.PROD})


@op("softmax.int", "_softmax.default")
def softmax(net: Builder, x: Top, axis: int, _: object, part: str = "") -> Top:
    """Softmax along ``axis``; computed in float32 whatever type is asked for."""
    axis %= len(x.shape)
    return net.layer("Softmax", [x], part=part, softmax_param={} if axis == 1 else {"axis": axis})


@op("log_softmax.int", "_log_softmax.default")
def log_softmax(net: Builder, x: Top, axis: int, _: object) -> Top:
    """Take the logarithm of Softmax."""
    return net.layer("Log", [softmax(net, x, axis, _, part="softmax")])
