"""Layers of forks that scale or reorder channels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.registry import Layer, count, exactly, register
from bigdl_caffe.nn import channels as modules

LOOPS = (
    "no case can exist where that fork was not run; it is held against loops written after its "
    "source, in tests/layers/test_channels.py"
)


@register("Axpy")
class Axpy(Layer):
    """``scale * x + y`` of three bottoms, a scale a channel (axpy_layer.cpp of SENet)."""

    bottoms = exactly(3)
    fork = "hujie-frank/SENet"
    without_golden = LOOPS

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the second bottom's shape."""
        scale, x, y = bottoms
        if x != y:
            raise ShapeError(f"bottoms 1 and 2 are {x} and {y}: they have to be equal")
        if len(x) < 2 or scale not in (x[:2], (*x[:2], 1, 1)):
            raise ShapeError(
                f"bottom 0 is {scale} and bottom 1 is {x}: give a scale a channel, {x[:2]} or "
                f"{(*x[:2], 1, 1)}"
            )
        return [x]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Axpy()

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return one multiplication an element."""
        return count(tops[0])


@register("ShuffleChannel")
class ShuffleChannel(Layer):
    """Channels taken in turn from each of ``group`` groups (shuffle_channel_layer.cpp)."""

    in_place = False
    fork = "farmingyard/ShuffleNet"
    without_golden = LOOPS

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.group = spec.param.shuffle_channel_param.group
        if self.group < 1:
            raise ShapeError("group is 0: give the number of groups")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape."""
        if len(bottoms[0]) < 2 or bottoms[0][1] % self.group:
            raise ShapeError(
                f"the bottom is {bottoms[0]}, whose axis 1 cannot be split into {self.group} "
                f"groups: give a group that divides the channels"
            )
        return [bottoms[0]]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.ShuffleChannel(self.group)
