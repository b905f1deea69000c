"""Layers that choose elements of their bottoms."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.registry import Layer, at_least, exactly, register
from bigdl_caffe.nn import indexing as modules


@register("Crop")
class Crop(Layer):
    """The first bottom cut to the second's sizes from ``axis`` on (crop_layer.cpp)."""

    drops_gradient = (1,)
    bottoms = exactly(2)
    in_place = False

    def cut(self, rank: int) -> tuple[int, tuple[int, ...]]:
        """Return the first axis that is cut, and where the cut begins on each from it on."""
        param = self.spec.param.crop_param
        axis, offsets = self.axis(param.axis, rank), tuple(param.offset) or (0,)
        if len(offsets) not in (1, rank - axis):
            raise ShapeError(
                f"{len(offsets)} offset for the {rank - axis} axes from axis {axis} on: give one, "
                f"or one an axis"
            )
        return axis, offsets * (rank - axis) if len(offsets) == 1 else offsets

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the first bottom's sizes before ``axis``, then the second's."""
        x, like = bottoms
        axis, offsets = self.cut(len(x))
        if len(like) < len(x):
            raise ShapeError(f"bottom 1 is {like}, of fewer axes than bottom 0, {x}: reshape it")
        for i, offset in enumerate(offsets, axis):
            if offset + like[i] > x[i]:
                raise ShapeError(
                    f"{like[i]} elements from {offset} on do not fit axis {i} of bottom 0, {x}: "
                    f"reduce offset, or crop to something smaller than {like}"
                )
        return [(*x[:axis], *like[axis : len(x)])]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Crop(*self.cut(len(bottoms[0])))


@register("Tile")
class Tile(Layer):
    """``tiles`` copies of the bottom along ``axis`` (tile_layer.cpp)."""

    in_place = False

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.tile_param
        if self.param.tiles < 1:
            raise ShapeError(f"tiles is {self.param.tiles}: give the number of copies, 1 or more")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, ``tiles`` times as long along the axis."""
        bottom = bottoms[0]
        axis = self.axis(self.param.axis, len(bottom))
        return [(*bottom[:axis], bottom[axis] * self.param.tiles, *bottom[axis + 1 :])]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Tile(self.axis(self.param.axis, len(bottoms[0])), self.param.tiles)


@register("BatchReindex")
class BatchReindex(Layer):
    """The first bottom's rows that the second lists, which may repeat (batch_reindex_layer.cpp).

    A number that is no row is refused when the net runs.
    """

    bottoms = exactly(2)
    in_place = False

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the first bottom's shape, with as many rows as the second has numbers."""
        x, index = bottoms
        if len(index) != 1 or not x:
            raise ShapeError(
                f"bottoms are {x} and {index}: rows are taken from a bottom of at least one axis "
                f"by a 1-D list of their numbers"
            )
        return [(index[0], *x[1:])]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.BatchReindex()

    def no_gradient_to(self) -> Collection[int]:
        """Return the list of rows."""
        return (1,)

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return True."""
        return True


@register("Filter")
class Filter(Layer):
    """The rows for which the last bottom is not 0 (filter_layer.cpp).

    The tops have no rows where none is chosen.
    """

    bottoms = at_least(2)
    tops = at_least(1)
    in_place = False
    dynamic = True

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        if len(spec.tops) != len(spec.bottoms) - 1:
            raise ShapeError(
                f"{len(spec.bottoms)} bottoms and {len(spec.tops)} tops: give a top for each "
                f"bottom but the last, which selects"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the shapes of all bottoms but the last: all their rows may be chosen."""
        *data, selector = bottoms
        if any(not shape or shape[:1] != selector[:1] for shape in data):
            raise ShapeError(
                f"the selector (bottom {len(data)}) is {selector}, and the others {data}: all "
                f"need the same number of rows"
            )
        if any(size != 1 for size in selector[1:]):
            raise ShapeError(f"the selector is {selector}: give one number a row")
        return data

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Filter()

    def no_gradient_to(self) -> Collection[int]:
        """Return the selector."""
        return (len(self.spec.bottoms) - 1,)
