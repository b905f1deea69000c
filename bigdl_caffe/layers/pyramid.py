"""The spatial pyramid pooling that came before Caffe's SPP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import Layer, register
from bigdl_caffe.nn.pyramid import SpatialPyramid


@register("SpatialPyramidPooling", "SPATIAL_PYRAMID_POOLING")
class SpatialPyramidPooling(Layer):
    """MAX pooling into ``spatial_bin`` bins a side, one such grid after the other.

    spatial_pyramid_pooling_layer.cpp of the pull request BVLC/caffe#560, which is older than
    SPP and cuts other bins: each is the bottom's size over the number, a fraction that is
    rounded outwards. As there, a single ``spatial_bin`` pools the whole bottom, whatever it
    says, and ``scale`` is not read.
    """

    meanings = (
        "Pull request 560's, by a list of `spatial_bin`; BVLC's `SPP` came later and cuts other "
        "bins."
    )
    without_effect: ClassVar[Fields] = {"spatial_pyramid_pooling_param": ("scale",)}
    in_place = False
    fork = "BVLC/caffe#560"
    without_golden = (
        "no case can exist where that fork was not run; it is held against loops written after "
        "its source, in tests/layers/test_pyramid.py"
    )
    fork_options: ClassVar[Messages] = {
        "spatial_pyramid_pooling_param": {"spatial_bin": [], "pool": "MAX", "scale": 1.0}
    }
    refused: ClassVar[Fields] = {"pooling_param": ("pool",)}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        given = self.fork_values["spatial_pyramid_pooling_param"]
        self.bins: list[int] = given["spatial_bin"]
        if not self.bins or any(type(n) is not int or n < 1 for n in self.bins):
            raise ShapeError(f"spatial_bin is {self.bins}: give a number of bins for each grid")
        if len(self.bins) == 1:
            self.bins = [1]  # the fork's branch for one grid does not read its number
        if given["pool"] != "MAX":
            raise UnsupportedLayerError(
                "only pool: MAX is computed here: remove pool, or pass a converter for the type"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (n, numbers, 1, 1)."""
        if len(bottoms[0]) != 4 or min(bottoms[0][2:]) < max(self.bins):
            raise ShapeError(
                f"the bottom is {bottoms[0]}: give (num, channels, height, width), with an element "
                f"for each of {max(self.bins)} bins a side"
            )
        num, channels = bottoms[0][:2]
        return [(num, channels * sum(n * n for n in self.bins), 1, 1)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return SpatialPyramid(self.bins)
