"""Convolution and its relatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.options import Fields, per_axis, same_shapes
from bigdl_caffe.layers.registry import BlobSpec, Layer, at_least, count, register
from bigdl_caffe.nn import convolution as modules


@dataclass(frozen=True)
class Geometry:
    """What a ConvolutionParameter means for bottoms of one rank; a value a spatial axis."""

    axis: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def extent(self) -> tuple[int, ...]:
        """Reach of the dilated kernel."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def counts(self, sizes: Sequence[int]) -> Shape:
        """Return how many places the kernel stops at along each axis of a bottom of ``sizes``."""
        axes = zip(sizes, self.extent, self.stride, self.pad, strict=True)
        return tuple((size + 2 * p - e) // s + 1 for size, e, s, p in axes)


MOST_STRIDE = 2**15 - 1
"""The largest stride. The gradient of torch's convolution on CPUs overflows beyond."""


def geometry(param: pb.ConvolutionParameter, axis: int, axes: int) -> Geometry:
    """Return what ``param`` says of the ``axes`` spatial axes behind ``axis``."""
    kernel = per_axis(param, "kernel_size", ("kernel_h", "kernel_w"), axes)
    stride = per_axis(param, "stride", ("stride_h", "stride_w"), axes, 1)
    pad = per_axis(param, "pad", ("pad_h", "pad_w"), axes, 0)
    dilation = per_axis(param, "dilation", (), axes, 1)
    if 0 in kernel + stride + dilation:
        raise ShapeError(
            f"kernel {kernel}, stride {stride}, dilation {dilation}: none of them can be 0"
        )
    if max(stride, default=1) > MOST_STRIDE:
        raise ShapeError(f"stride {stride} is beyond {MOST_STRIDE}: give a smaller one")
    return Geometry(axis, kernel, stride, pad, dilation)


@register("Convolution")
class Convolution(Layer):
    """Caffe's convolution (base_conv_layer.cpp, conv_layer.cpp).

    Blobs: weight (num_output, channels / group, kernel...), bias (num_output).
    Several bottoms share them, a top each.
    """

    bottoms = at_least(1)
    tops = at_least(1)
    transposed: ClassVar[bool] = False
    options = ("convolution_param",)
    refused: ClassVar[Fields] = {
        "convolution_param": ("relu", "negative_slope", "coeff", "fusion_type")
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.convolution_param
        if len(spec.bottoms) != len(spec.tops):
            raise ShapeError(
                f"{len(spec.bottoms)} bottoms and {len(spec.tops)} tops: give one top a bottom"
            )
        if not self.param.num_output:
            raise ShapeError("num_output is 0 or missing: give the number of channels to make")

    def geometry(self, rank: int) -> Geometry:
        """Return kernel, stride, pad and dilation for bottoms of ``rank`` axes."""
        axis = self.axis(self.param.axis, rank)
        n = rank - axis - 1
        if n > 3:
            raise UnsupportedLayerError(
                f"{n} spatial axes after axis {axis}: at most 3 are computed; "
                f"reshape the bottom, or set axis"
            )
        return geometry(self.param, axis, n)

    def groups(self, channels: int) -> int:
        """Return the number of groups, which has to divide both channel counts."""
        group: int = self.param.group
        if not group or channels % group or self.param.num_output % group:
            raise ShapeError(
                f"group {group} does not divide {channels} bottom channels and num_output "
                f"{self.param.num_output}: choose a divisor of both"
            )
        return group

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (batch..., num_output, spatial...) for each bottom."""
        same_shapes(bottoms)
        g = self.geometry(len(bottoms[0]))
        self.groups(bottoms[0][g.axis])
        spatial = self.spatial(g, bottoms[0][g.axis + 1 :])
        if any(size < 1 for size in spatial):
            raise ShapeError(
                f"bottom {bottoms[0]} is smaller than the kernel (extent {g.extent}, pad {g.pad}): "
                f"feed larger inputs"
            )
        return [(*bottoms[0][: g.axis], self.param.num_output, *spatial)] * len(self.spec.tops)

    def spatial(self, g: Geometry, sizes: Sequence[int]) -> Shape:
        """Return the spatial sizes of the top."""
        return g.counts(sizes)

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return weight, and bias where bias_term says so."""
        param, g = self.param, self.geometry(len(bottoms[0]))
        channels = bottoms[0][g.axis]
        outer, inner = param.num_output, channels
        if self.transposed:
            outer, inner = inner, outer
        weight = (outer, inner // self.groups(channels), *g.kernel)
        specs = [BlobSpec("weight", weight, param.weight_filler)]
        if param.bias_term:
            specs.append(BlobSpec("bias", (param.num_output,), param.bias_filler))
        return specs

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        g = self.geometry(len(bottoms[0]))
        groups = self.groups(bottoms[0][g.axis])
        return modules.Convolution(g.stride, g.pad, g.dilation, groups, g.axis, self.transposed)

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return the weight's multiplications at every place the kernel stops."""
        weight = self.blob_specs(bottoms)[0].shape
        return sum(map(count, bottoms if self.transposed else tops)) * count(weight[1:])


AS_GROUPS = "that fork was not run; held against a Convolution with groups, which it equals"


@register("DepthwiseConvolution")
class DepthwiseConvolution(Convolution):
    """Convolution, which the fork runs faster with a group a channel (depthwise_conv_layer.cpp)."""

    fork = "yonghenglh6/DepthwiseConvolution"
    without_golden = AS_GROUPS


@register("ConvolutionDepthwise")
class ConvolutionDepthwise(Convolution):
    """Convolution with one filter a channel (conv_dw_layer.cpp).

    ``group`` is not read: it is the number of channels, and num_output equals it.
    """

    fork = "BVLC/caffe#5665"
    without_golden = AS_GROUPS

    def groups(self, channels: int) -> int:
        """Return the number of channels."""
        if self.param.num_output != channels:
            raise ShapeError(
                f"num_output {self.param.num_output} differs from the bottom's {channels} "
                f"channels: a depthwise convolution keeps their number"
            )
        return channels


@register("Deconvolution")
class Deconvolution(Convolution):
    """Caffe's transposed convolution (deconv_layer.cpp).

    Blobs: weight (channels, num_output / group, kernel...), bias (num_output).
    """

    transposed = True

    def spatial(self, g: Geometry, sizes: Sequence[int]) -> Shape:
        """Return the spatial sizes of the top."""
        axes = zip(sizes, g.extent, g.stride, g.pad, strict=True)
        return tuple(s * (size - 1) + e - 2 * p for size, e, s, p in axes)


@register("Im2col")
class Im2col(Layer):
    """The elements below each place of a kernel, as channels (im2col_layer.cpp).

    ``force_nd_im2col`` chooses between two ways to the same numbers, and is not read.
    """

    in_place = False
    options = ("convolution_param",)
    without_effect: ClassVar[Fields] = {
        "convolution_param": (
            *("num_output", "bias_term", "group", "weight_filler", "bias_filler"),
            *("relu", "negative_slope", "coeff", "fusion_type"),
        )
    }

    def geometry(self, rank: int) -> Geometry:
        """Return kernel, stride, pad and dilation for bottoms of ``rank`` axes."""
        param = self.spec.param.convolution_param
        axis = self.axis(param.axis, rank)
        if axis == rank - 1:
            raise ShapeError(f"axis {axis} is the bottom's last: give one with axes behind it")
        return geometry(param, axis, rank - axis - 1)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (batch..., channels * kernel, spatial...)."""
        g = self.geometry(len(bottoms[0]))
        *batch, channels = bottoms[0][: g.axis + 1]
        return [(*batch, channels * count(g.kernel), *g.counts(bottoms[0][g.axis + 1 :]))]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        g = self.geometry(len(bottoms[0]))
        return modules.Im2col(g.kernel, g.stride, g.pad, g.dilation, g.axis)
