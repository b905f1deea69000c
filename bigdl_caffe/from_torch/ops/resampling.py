"""Interpolation, by Deconvolution with fixed kernels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod

import torch
from torch import Tensor
from torch.nn import functional as F

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.ops.convolution import channelwise
from bigdl_caffe.from_torch.ops.table import op
from bigdl_caffe.from_torch.values import Top, Weight
from bigdl_caffe.graph.ir import Shape


def _factors(net: Builder, x: Top) -> list[int]:
    """Return how many times each spatial axis grows."""
    sizes = list(zip(net.result[2:], x.shape[2:], strict=True))
    if any(new % old for new, old in sizes):
        raise UnsupportedLayerError(
            f"it resizes {x.shape[2:]} to {net.result[2:]}; Caffe enlarges by whole factors"
        )
    return [new // old for new, old in sizes]


@op("upsample_nearest1d.vec", "upsample_nearest2d.vec", "upsample_nearest3d.vec")
def nearest(net: Builder, x: Top, *_: object) -> Top:
    """Each element as a block: Deconvolution with ones, as large as its stride."""
    factors = _factors(net, x)
    if prod(factors) == 1:
        return x
    return channelwise(net, x, torch.ones(factors), transposed=True, stride=factors)


@op("upsample_linear1d.vec", "upsample_bilinear2d.vec", "upsample_trilinear3d.vec")
def linear(net: Builder, x: Top, _: object, align_corners: bool, *__: object) -> Top:
    """Deconvolution with Caffe's bilinear filler's numbers, then Scale at the edges.

    Beyond its edges Deconvolution has zeros, where torch repeats the outermost element.
    Scale divides each place by what of its kernel lies inside. With ``align_corners`` it is
    the forks' Interp.
    """
    if net.result == x.shape:
        return x
    if align_corners:
        return _aligned(net, x)
    factors = _factors(net, x)
    pad = [factor // 2 for factor in factors]
    kernel = reduce(torch.multiply, _triangles(factors))
    top = channelwise(net, x, kernel, "deconvolution", True, stride=factors, pad=pad)
    inside = _transposed(kernel, x.shape[2:], factors, pad)
    param = {"axis": 2, "num_axes": len(factors)}
    return net.layer("Scale", [top], [Weight(1 / inside)], scale_param=param)


def _triangles(factors: Sequence[int]) -> list[Tensor]:
    """Return each axis's kernel, shaped to spread over the others."""
    out = []
    for i, factor in enumerate(factors):
        size = 2 * factor - factor % 2
        places = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
        triangle = (1 - places.abs() / factor).float()
        out.append(triangle.reshape(-1, *[1] * (len(factors) - i - 1)))
    return out


def _transposed(kernel: Tensor, size: Shape, stride: Sequence[int], pad: Sequence[int]) -> Tensor:
    """Return what the Deconvolution makes of ones."""
    convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[kernel.dim() - 1]
    ones = torch.ones(1, 1, *size)
    return convolve(ones, kernel[None, None], stride=tuple(stride), padding=tuple(pad))[0, 0]


def _aligned(net: Builder, x: Top) -> Top:
    if len(x.shape) != 4:
        raise UnsupportedLayerError("with align_corners it is a layer of Caffe's forks in 2-D only")
    height, width = net.result[2:]
    return net.layer("Interp", [x], interp_param={"height": height, "width": width})
