"""Pooling, whose last window torch leaves out and Caffe keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.ops.convolution import strided
from bigdl_caffe.from_torch.ops.table import op
from bigdl_caffe.from_torch.values import Top
from bigdl_caffe.nn.pooling import Pair, Window

MAX, AVE = pb.PoolingParameter.MAX, pb.PoolingParameter.AVE
Sizes = Sequence[int]


def _pair(sizes: Sizes) -> Pair:
    return (sizes[0], sizes[-1])


@op("max_pool2d.default", "max_pool2d_with_indices.default")
def max_pool(
    net: Builder, x: Top, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes, ceil: bool
) -> Top | tuple[Top]:
    """MAX Pooling; of its results the first."""
    if set(dilation) != {1}:
        raise UnsupportedLayerError(f"its dilation is {list(dilation)}; Caffe's Pooling has none")
    if net.used - {0}:
        raise UnsupportedLayerError("the places of its maxima are used: Caffe counts otherwise")
    top = _pool(net, x, MAX, Window(_pair(kernel), _pair(stride or kernel), _pair(pad), ceil))
    return (top,) if net.used else top


@op("avg_pool2d.default")
def ave_pool(
    net: Builder,
    x: Top,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    ceil: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Top:
    """AVE Pooling, which counts the padding."""
    if any(pad) and not count_include_pad:
        raise UnsupportedLayerError(
            "it has padding and leaves it out of the mean (count_include_pad=False); Caffe's AVE "
            "counts it"
        )
    if divisor is not None:
        raise UnsupportedLayerError("it has a divisor_override; Caffe's AVE has none")
    return _pool(net, x, AVE, Window(_pair(kernel), _pair(stride or kernel), _pair(pad), ceil))


def _pool(net: Builder, x: Top, kind: int, window: Window) -> Top:
    """Return the windows that torch has.

    Caffe rounds their number up, and only late versions can round down. Where that matters,
    a window stands at every place and a strided copy picks: any Caffe reads that, and it
    holds for inputs of other sizes.
    """
    ours = Window(window.kernel, window.stride, window.pad)
    if len(x.shape) != 4 or ours.counts(x.shape[2:]) == net.result[2:]:
        return _layer(net, x, kind, ours)
    if window.ceil:
        raise UnsupportedLayerError(
            f"its last window of {window.kernel} with stride {window.stride} lies outside of the "
            f"input, where Caffe keeps it and torch does not"
        )
    every = _layer(net, x, kind, Window(window.kernel, (1, 1), window.pad), part="every")
    return strided(net, every, stride=window.stride)


def _layer(net: Builder, x: Top, kind: int, window: Window, part: str = "") -> Top:
    param: dict[str, Any] = {"pool": kind, **_field("kernel", window.kernel)}
    param |= _field("stride", window.stride) if window.stride != (1, 1) else {}
    param |= _field("pad", window.pad) if any(window.pad) else {}
    return net.layer("Pooling", [x], part=part, pooling_param=param)


def _field(name: str, pair: Pair) -> dict[str, int]:
    if pair[0] == pair[1]:
        return {"kernel_size" if name == "kernel" else name: pair[0]}
    return {f"{name}_h": pair[0], f"{name}_w": pair[1]}


def whole(net: Builder, x: Top, kind: int = AVE, part: str = "") -> Top:
    """Return one window over each channel (n, c, 1, 1)."""
    return net.layer(
        "Pooling", [x], part=part, pooling_param={"pool": kind, "global_pooling": True}
    )


@op("adaptive_avg_pool2d.default")
def adaptive_ave(net: Builder, x: Top, _: object) -> Top:
    """AVE Pooling into equal windows."""
    return _adaptive(net, x, AVE)


@op("adaptive_max_pool2d.default")
def adaptive_max(net: Builder, x: Top, _: object) -> tuple[Top]:
    """MAX Pooling into equal windows."""
    if net.used - {0}:
        raise UnsupportedLayerError("the places of its maxima are used: Caffe counts otherwise")
    return (_adaptive(net, x, MAX),)


def _adaptive(net: Builder, x: Top, kind: int) -> Top:
    size, wanted = x.shape[-2:], net.result[-2:]
    if size == wanted:
        return x
    if wanted == (1, 1):
        return whole(net, x, kind)
    if any(s % w for s, w in zip(size, wanted, strict=True)):
        raise UnsupportedLayerError(
            f"{size} does not divide into {wanted} windows; Caffe's are all of one size"
        )
    kernel = (size[0] // wanted[0], size[1] // wanted[1])
    return _layer(net, x, kind, Window(kernel, kernel))
