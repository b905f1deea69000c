"""Normalisation, and the scaling and shifting that go with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import INT_MAX, LayerDef, Shape
from bigdl_caffe.layers.options import Fields, constant, refuse
from bigdl_caffe.layers.registry import BlobSpec, Layer, between, count, register
from bigdl_caffe.nn import normalization as modules


@register("LRN")
class LRN(Layer):
    """Local response normalisation, ACROSS_CHANNELS or WITHIN_CHANNEL (lrn_layer.cpp)."""

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.lrn_param
        if self.param.local_size % 2 == 0:
            raise ShapeError(f"local_size {self.param.local_size} is even: give an odd number")
        if self.param.local_size > INT_MAX:
            raise ShapeError(f"local_size {self.param.local_size} is beyond {INT_MAX}: reduce it")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, which has four axes."""
        if len(bottoms[0]) != 4:
            raise ShapeError(
                f"the bottom is {bottoms[0]}; LRN takes 4 axes (num, channels, height, width): "
                f"reshape it"
            )
        return [bottoms[0]]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.param
        if p.norm_region == pb.LRNParameter.WITHIN_CHANNEL:
            return modules.LRNWithin(p.local_size, p.alpha, p.beta)
        return modules.LRNAcross(p.local_size, p.alpha, p.beta, p.k)

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return one multiplication for each element of each window."""
        region = self.param.norm_region == pb.LRNParameter.WITHIN_CHANNEL
        return count(bottoms[0]) * int(self.param.local_size ** (2 if region else 1))


SCALED = ("scale_bias", "scale_filler")
"""Fields with which BatchNorm of NVIDIA's fork has two more blobs."""


@register("BatchNorm")
class BatchNorm(Layer):
    """Normalisation without scale and shift (batch_norm_layer.cpp).

    Blobs: sum of means (channels), sum of variances (channels), factor (1).

    ``filler``, ``bias_filler``, ``use_weight_bias`` and ``bias_term`` are for an engine of
    Intel's fork that takes in the Scale layer behind, and set no number here: the Scale
    layer is computed. A weight file of that engine has five blobs and is refused.
    """

    meanings = (
        "With `scale_bias` or `scale_filler` it is NVIDIA's, which scales and shifts as well: "
        "refused. Otherwise BVLC's."
    )
    without_effect: ClassVar[Fields] = {
        "batch_norm_param": ("filler", "bias_filler", "use_weight_bias", "bias_term")
    }
    refused: ClassVar[Fields] = {"batch_norm_param": ("relu",)}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.batch_norm_param
        for name in SCALED:
            if self.param.HasField(name) and getattr(self.param, name):
                raise UnsupportedLayerError(
                    f"{name} makes this a BatchNorm of a fork that scales and shifts as well, "
                    f"which is not computed here: put a Scale layer behind a plain BatchNorm"
                )
        if phase == "TRAIN":
            refuse(self.param, "update_global_stats", "stats_batch_size")
        eps = self.param.eps
        if not (eps > 0 or (eps == 0 and self.stored)):  # torch takes no 0 with a batch's variance
            raise ShapeError(f"eps is {eps}: give a small positive number")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape."""
        if not bottoms[0]:
            raise ShapeError("the bottom has no axes: BatchNorm takes at least one")
        return [bottoms[0]]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return the three sums, which no gradient reaches."""
        channels = (bottoms[0][1] if len(bottoms[0]) > 1 else 1,)
        shapes = {"mean": channels, "variance": channels, "factor": (1,)}
        return [BlobSpec(attr, shape, trainable=False) for attr, shape in shapes.items()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.BatchNorm(self.param.eps, self.param.moving_average_fraction, self.stored)

    @property
    def stored(self) -> bool:
        """Whether it normalises by the stored sums, and not by the batch."""
        if self.param.HasField("use_global_stats"):
            return bool(self.param.use_global_stats)
        return self.phase == "TEST"

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return whether it normalises by the batch."""
        return not self.stored

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return one multiplication an element."""
        return count(bottoms[0])


@register("MVN")
class MVN(Layer):
    """Mean 0 and variance 1 within each channel or row (mvn_layer.cpp).

    The top has four axes, 1 for those that the bottom lacks.
    """

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.mvn_param

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, with 1 for each axis that it has fewer than four."""
        if len(bottoms[0]) > 4:
            raise ShapeError(f"the bottom is {bottoms[0]}; MVN takes at most 4 axes: reshape it")
        return [(*bottoms[0], *[1] * (4 - len(bottoms[0])))]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.param
        return modules.MVN(p.across_channels, p.eps if p.normalize_variance else None)

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return one multiplication for the square of an element and one to scale it."""
        return 2 * count(bottoms[0]) * self.param.normalize_variance


class Channelwise(Layer):
    """What Scale and Bias share: a factor or addend along some axes, learned or a bottom."""

    bottoms = between(1, 2)
    start: int
    num_axes: int

    def blob_shape(self, bottoms: Sequence[Shape]) -> Shape:
        """Return the shape of the second bottom, or else of the learned blob."""
        if len(bottoms) > 1:
            return bottoms[1]
        rank, axis, n = len(bottoms[0]), self.first_axis(bottoms), self.num_axes
        if n < -1 or axis + n > rank:
            raise ShapeError(
                f"num_axes {n} from axis {axis} on does not fit a {rank}-D bottom: "
                f"give at most {rank - axis}, or -1 for all"
            )
        return bottoms[0][axis:] if n == -1 else bottoms[0][axis : axis + n]

    def first_axis(self, bottoms: Sequence[Shape]) -> int:
        """Return the non-negative axis that the blob's first axis goes with."""
        if len(bottoms) > 1 and not bottoms[1]:
            return 0
        return self.axis(self.start, len(bottoms[0]))

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the first bottom's shape."""
        axis, shape = self.first_axis(bottoms), self.blob_shape(bottoms)
        if bottoms[0][axis : axis + len(shape)] != tuple(shape):
            raise ShapeError(
                f"bottom 1 has shape {tuple(shape)}, which is not part of {bottoms[0]} from axis "
                f"{axis} on: change axis or the shape"
            )
        return [bottoms[0]]

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return one operation an element."""
        return count(bottoms[0])


@register("Scale")
class Scale(Channelwise):
    """Product with a blob or a second bottom, plus an optional bias (scale_layer.cpp).

    Blobs: scale, unless it is a bottom; bias of the same shape with ``bias_term``.
    """

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.scale_param
        self.start, self.num_axes = self.param.axis, self.param.num_axes

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return scale (filled with 1 by default) and bias, where they are learned."""
        p, shape = self.param, self.blob_shape(bottoms)
        filler = p.filler if p.HasField("filler") else constant(1)
        specs = [BlobSpec("weight", shape, filler)] if len(bottoms) == 1 else []
        return specs + [BlobSpec("bias", shape, p.bias_filler)] * p.bias_term

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Scale(self.first_axis(bottoms))


@register("Bias")
class Bias(Channelwise):
    """Sum with a blob or a second bottom (bias_layer.cpp). Blob: bias, unless it is a bottom."""

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.bias_param
        self.start, self.num_axes = self.param.axis, self.param.num_axes

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return the bias where it is learned."""
        if len(bottoms) > 1:
            return []
        return [BlobSpec("bias", self.blob_shape(bottoms), self.param.filler)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Bias(self.first_axis(bottoms))
