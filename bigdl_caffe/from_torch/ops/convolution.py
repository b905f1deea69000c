"""Convolutions, and padding, which is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.ops.table import OPS, op
from bigdl_caffe.from_torch.values import Top, Weight, fixed

Sizes = Sequence[int]


def spatial(values: Mapping[str, tuple[Sizes, int]]) -> dict[str, Any]:
    """Return fields of a ConvolutionParameter: one number where all axes have one.

    Parameters
    ----------
    values : mapping
        Field → its value an axis, and the one that stands for all where it is left out.
    """
    out: dict[str, Any] = {}
    for field, (sizes, default) in values.items():
        short = sizes[:1] if len(set(sizes)) == 1 else sizes
        if list(short) != [default]:
            out[field] = list(short)
    return out


def convolve(
    net: Builder,
    x: Top,
    weight: Top | Weight,
    bias: Top | Weight | None,
    stride: Sizes,
    pad: Sizes,
    dilation: Sizes,
    groups: int,
    transposed: bool = False,
    part: str = "",
) -> Top:
    """Return Convolution or Deconvolution of ``x``: torch's weights have Caffe's shapes."""
    blobs = [fixed(weight, "weight")] + ([] if bias is None else [fixed(bias, "bias")])
    kernel = blobs[0].shape[2:]
    axes, shape = len(kernel), blobs[0].shape
    given = {"kernel_size": (kernel, 0), "stride": (_each(stride, axes), 1)}
    given |= {"pad": (_each(pad, axes), 0), "dilation": (_each(dilation, axes), 1)}
    param: dict[str, Any] = {"num_output": shape[1] * groups if transposed else shape[0]}
    param |= spatial(given) | ({} if groups == 1 else {"group": groups})
    param |= {} if bias is not None else {"bias_term": False}
    axis = len(x.shape) - axes - 1
    param |= {} if axis == 1 else {"axis": axis}
    kind = "Deconvolution" if transposed else "Convolution"
    return net.layer(kind, [x], blobs, part, convolution_param=param)


def _each(sizes: Sizes, axes: int) -> list[int]:
    return list(sizes) * axes if len(sizes) == 1 else list(sizes)


def _plain(
    net: Builder,
    x: Top,
    weight: Top | Weight,
    bias: Top | Weight | None,
    stride: Sizes,
    pad: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Top:
    kernel = weight.shape[2:]
    if isinstance(pad, str):
        pad = _named(pad, kernel, _each(dilation, len(kernel)))
    return convolve(net, x, weight, bias, stride, pad, dilation, groups)


def _named(pad: str, kernel: Sizes, dilation: Sizes) -> list[int]:
    """Return the padding called "same" or "valid"."""
    if pad == "valid":
        return [0] * len(kernel)
    whole = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if any(total % 2 for total in whole):
        raise UnsupportedLayerError(
            f"padding='same' of the even kernel {tuple(kernel)} pads one side more than the "
            f"other; Caffe's Convolution pads both alike"
        )
    return [total // 2 for total in whole]


def _transposed(
    net: Builder,
    x: Top,
    weight: Top | Weight,
    bias: Top | Weight | None,
    stride: Sizes,
    pad: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Top:
    if any(output_padding):
        raise UnsupportedLayerError(
            f"its output_padding is {list(output_padding)}; Caffe's Deconvolution has none"
        )
    return convolve(net, x, weight, bias, stride, pad, dilation, groups, transposed=True)


@op("convolution.default")
def convolution(
    net: Builder,
    x: Top,
    weight: Top | Weight,
    bias: Top | Weight | None,
    stride: Sizes,
    pad: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
) -> Top:
    """Return Convolution of either direction."""
    if transposed:
        return _transposed(net, x, weight, bias, stride, pad, output_padding, groups, dilation)
    return _plain(net, x, weight, bias, stride, pad, dilation, groups)


for _axes in (1, 2, 3):
    OPS[f"conv{_axes}d.default"] = OPS[f"conv{_axes}d.padding"] = _plain
    OPS[f"conv_transpose{_axes}d.input"] = _transposed
OPS["conv_transpose1d.default"] = _transposed


def channelwise(
    net: Builder,
    x: Top,
    kernel: torch.Tensor,
    part: str = "",
    transposed: bool = False,
    **how: Sizes,
) -> Top:
    """Return each channel of ``x`` convolved with one fixed ``kernel``.

    ``how`` has ``stride`` and ``pad``, a number an axis.
    """
    weight = Weight(kernel.expand(x.shape[1], 1, *kernel.shape))
    stride, pad = how.get("stride", [1]), how.get("pad", [0])
    return convolve(net, x, weight, None, stride, pad, [1], x.shape[1], transposed, part)


@op("pad.default")
def pad_mode(net: Builder, x: Top, pad: Sizes, mode: str, value: float | None) -> Top:
    """Pad with zeros."""
    if mode != "constant":
        raise UnsupportedLayerError(f"it pads by mode '{mode}', and no Caffe layer does")
    return constant_pad(net, x, pad, value or 0)


@op("constant_pad_nd.default")
def constant_pad(net: Builder, x: Top, pad: Sizes, value: float) -> Top:
    """Zeros around each channel: a convolution that copies, whose kernel is 1 in one place."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    if not any(pad):
        return x
    if value or min(pad) < 0 or len(pairs) > len(x.shape) - 2 or len(x.shape) < 3:
        raise UnsupportedLayerError(
            f"it pads {list(pad)} with {value}; Caffe's layers pad rows and columns with zeros"
        )
    pairs = [(0, 0)] * (len(x.shape) - 2 - len(pairs)) + pairs
    kernel = torch.zeros([abs(a - b) + 1 for a, b in pairs])
    kernel[tuple(max(b - a, 0) for a, b in pairs)] = 1
    return channelwise(net, x, kernel, pad=[max(pair) for pair in pairs])


strided = partial(channelwise, kernel=torch.ones(1, 1))
"""Every few rows and columns: ``strided(net, x, stride=...)``."""
