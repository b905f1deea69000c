"""The spatial pyramid pooling that came before Caffe's SPP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.registry import Layer, count, register
from bigdl_caffe.nn.pyramid import SpatialPyramid, bin_window


@register("SpatialPyramidPooling", "SPATIAL_PYRAMID_POOLING")
class SpatialPyramidPooling(Layer):
    """MAX pooling into ``spatial_bin`` bins a side, one such grid after the other.

    spatial_pyramid_pooling_layer.cpp of the pull request BVLC/caffe#560, which is older than
    SPP and cuts other bins: each is the bottom's size over the number, cut down to whole
    elements. Its ``scale`` is not read there either.
    """

    in_place = False
    fork = "BVLC/caffe#560"
    without_golden = (
        "no case can exist where that fork was not run; it is held against loops written after "
        "its source, in tests/layers/test_pyramid.py"
    )
    fork_options: ClassVar[Messages] = {
        "spatial_pyramid_pooling_param": {"spatial_bin": [], "pool": "MAX", "scale": 1.0}
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        given = self.fork_values["spatial_pyramid_pooling_param"]
        self.bins: list[int] = given["spatial_bin"]
        if not self.bins or any(type(n) is not int or n < 1 for n in self.bins):
            raise ShapeError(f"spatial_bin is {self.bins}: give a number of bins for each grid")
        if given["pool"] != "MAX" or spec.param.pooling_param.pool != pb.PoolingParameter.MAX:
            raise UnsupportedLayerError(
                "only pool: MAX is computed here: remove pool, or pass a converter for the type"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (n, numbers, 1, 1), or (n, c, rows, columns) of one grid alone."""
        if len(bottoms[0]) != 4 or min(bottoms[0][2:]) < max(self.bins):
            raise ShapeError(
                f"the bottom is {bottoms[0]}: give (num, channels, height, width), with an element "
                f"for each of {max(self.bins)} bins a side"
            )
        num, channels, *size = bottoms[0]
        grids = [bin_window(size, n).counts(size) for n in self.bins]
        if len(grids) == 1:
            return [(num, channels, *grids[0])]
        return [(num, channels * sum(map(count, grids)), 1, 1)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return SpatialPyramid(self.bins)
