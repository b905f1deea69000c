"""Pooling of regions of interest, as R-CNN and R-FCN do it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.registry import Layer, count, exactly, register
from bigdl_caffe.nn.pooling import Pair
from bigdl_caffe.nn.rois import PSROIPool, ROIPool


class RegionPooling(Layer):
    """What the poolings of regions share: a map, and rois (image, x1, y1, x2, y2) over it."""

    drops_gradient = (1,)
    bottoms = exactly(2)
    in_place = False
    without_golden = (
        "the fork was not run; held against loops written after its source in "
        "tests/layers/test_rcnn.py"
    )

    def check(self, bottoms: Sequence[Shape]) -> None:
        """Raise `ShapeError` unless the bottoms are a map of two axes and rois of 5 numbers."""
        if len(bottoms[0]) != 4:
            raise ShapeError(
                f"the bottom is {bottoms[0]}; {self.spec.type} takes 4 axes (num, channels, "
                f"height, width): reshape it"
            )
        if count(bottoms[1][1:]) != 5:
            raise ShapeError(
                f"the rois are {bottoms[1]}; each has to be 5 numbers (image, x1, y1, x2, y2): "
                f"give (rois, 5)"
            )

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return True: a roi says by its place in the batch which image it is of."""
        return True


@register("ROIPooling")
class ROIPooling(RegionPooling):
    """Max pooling of each roi into a fixed grid (roi_pooling_layer.cpp of Fast R-CNN).

    ``pooled_size`` of Intel's fork, one number or height and width, stands for
    ``pooled_h`` and ``pooled_w``.
    """

    meanings = "`pooled_h` and `pooled_w`: Fast R-CNN's. `pooled_size`: Intel's, one number or two."
    fork = "rbgirshick/caffe-fast-rcnn, intel/caffe (pooled_size)"

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.size = self._size()
        if min(self.size) < 1:
            raise ShapeError(f"pooled_h and pooled_w are {self.size}: give both, at least 1")

    def _size(self) -> Pair:
        param = self.spec.param.roi_pooling_param
        sizes = tuple(param.pooled_size)
        if not sizes:
            return param.pooled_h, param.pooled_w
        if len(sizes) > 2 or param.HasField("pooled_h") or param.HasField("pooled_w"):
            raise ShapeError(
                f"pooled_size {list(sizes)} has to be one number or two, and stands in place of "
                f"pooled_h and pooled_w: give one of the two forms"
            )
        return sizes[0], sizes[-1]

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (rois, channels, pooled_h, pooled_w)."""
        self.check(bottoms)
        return [(bottoms[1][0], bottoms[0][1], *self.size)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return ROIPool(self.size, self.spec.param.roi_pooling_param.spatial_scale)


@register("PSROIPooling")
class PSROIPooling(RegionPooling):
    """Position-sensitive average pooling of each roi (psroi_pooling_layer.cu of R-FCN)."""

    fork = "daijifeng001/caffe-rfcn"

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.psroi_pooling_param
        if min(self.param.output_dim, self.param.group_size) < 1:
            raise ShapeError(
                f"output_dim {self.param.output_dim} and group_size {self.param.group_size} have "
                f"to be at least 1: give both"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (rois, output_dim, group_size, group_size)."""
        self.check(bottoms)
        dim, group = self.param.output_dim, self.param.group_size
        if bottoms[0][1] != dim * group * group:
            raise ShapeError(
                f"the bottom has {bottoms[0][1]} channels; output_dim {dim} and group_size {group} "
                f"take {dim * group * group}: change one of the three"
            )
        return [(bottoms[1][0], dim, group, group)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return PSROIPool(self.param.output_dim, self.param.group_size, self.param.spatial_scale)
