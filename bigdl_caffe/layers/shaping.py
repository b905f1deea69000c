"""Layers that move elements and compute none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.options import Fields, one_of
from bigdl_caffe.layers.registry import Layer, Role, at_least, count, exactly, register
from bigdl_caffe.nn import shaping as modules


@register("Reshape")
class Reshape(Layer):
    """Same elements, other axes (reshape_layer.cpp)."""

    in_place = False
    refused: ClassVar[Fields] = {"reshape_param": ("pixelshuffler",)}

    @classmethod
    def shares_data(cls, spec: LayerDef) -> bool:
        """Return True."""
        return True

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.reshape_param
        self.dims = tuple(self.param.shape.dim)
        if self.dims.count(-1) > 1 or min(self.dims, default=0) < -1:
            raise ShapeError(
                f"shape {list(self.dims)} leaves more than one size open: give sizes, 0 to copy "
                f"the bottom's, and at most one -1"
            )

    def span(self, rank: int) -> tuple[int, int]:
        """Return the first axis that is replaced and the one after the last."""
        axis, n = self.param.axis, self.param.num_axes
        start = axis if axis >= 0 else rank + axis + 1
        end = rank if n == -1 else start + n
        if not 0 <= start <= rank or n < -1 or end > rank:
            raise ShapeError(f"axis {axis} and num_axes {n} do not fit a {rank}-D bottom")
        return start, end

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the new shape, which has to hold as many elements."""
        bottom = bottoms[0]
        start, end = self.span(len(bottom))
        if any(d == 0 and i >= len(bottom) for i, d in enumerate(self.dims, start)):
            raise ShapeError(
                f"shape {list(self.dims)} copies an axis that the bottom {bottom} lacks: give a "
                f"size in place of 0"
            )
        dims = [bottom[i] if d == 0 else d for i, d in enumerate(self.dims, start)]
        known = count(bottom[:start]) * count(bottom[end:]) * count([d for d in dims if d != -1])
        if -1 in dims and known and count(bottom) % known == 0:
            dims[dims.index(-1)] = count(bottom) // known
        top = (*bottom[:start], *dims, *bottom[end:])
        if count(top) != count(bottom) or -1 in dims:
            raise ShapeError(
                f"{bottom} of {count(bottom)} elements does not reshape to {top}: sizes have to "
                f"multiply to the same count"
            )
        return [top]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Reshape(self.dims, *self.span(len(bottoms[0])))


@register("Flatten")
class Flatten(Layer):
    """The axes ``axis`` to ``end_axis`` as one (flatten_layer.cpp)."""

    in_place = False

    @classmethod
    def shares_data(cls, spec: LayerDef) -> bool:
        """Return True."""
        return True

    def span(self, rank: int) -> tuple[int, int]:
        """Return the first and the last axis to flatten."""
        p = self.spec.param.flatten_param
        start, end = self.axis(p.axis, rank), self.axis(p.end_axis, rank, "end_axis")
        if end < start:
            raise ShapeError(f"end_axis {end} comes before axis {start}: exchange them")
        return start, end

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the flattened shape."""
        start, end = self.span(len(bottoms[0]))
        flat = count(bottoms[0][start : end + 1])
        return [(*bottoms[0][:start], flat, *bottoms[0][end + 1 :])]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return nn.Flatten(*self.span(len(bottoms[0])))


@register("Permute")
class Permute(Layer):
    """Axes in another order; those not named follow in theirs (permute_layer.cpp)."""

    fork = "weiliu89/caffe (ssd branch)"
    in_place = False

    def order(self, rank: int) -> tuple[int, ...]:
        """Return the bottom's axis behind each axis of the top."""
        named = tuple(self.spec.param.permute_param.order)
        if len(set(named)) != len(named) or max(named, default=0) >= rank:
            raise ShapeError(
                f"order {list(named)} does not order the axes of a {rank}-D bottom: name each of "
                f"0 to {rank - 1} once at most"
            )
        return named + tuple(i for i in range(rank) if i not in named)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's sizes in the new order."""
        return [tuple(bottoms[0][i] for i in self.order(len(bottoms[0])))]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Permute(self.order(len(bottoms[0])))


@register("Slice")
class Slice(Layer):
    """Cuts along ``axis``, or the older ``slice_dim`` (slice_layer.cpp)."""

    tops = at_least(1)
    in_place = False

    @classmethod
    def shares_data(cls, spec: LayerDef) -> bool:
        """Return whether there is one top: Caffe hands the bottom's memory on."""
        return len(spec.tops) == 1

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.along = one_of(spec.param.slice_param, "slice_dim", "axis")
        self.points = tuple(spec.param.slice_param.slice_point)
        if self.points and len(self.points) != len(spec.tops) - 1:
            raise ShapeError(
                f"{len(self.points)} slice_point for {len(spec.tops)} tops: give one fewer than "
                f"tops, or none for equal parts"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, cut along the axis, for each top."""
        axis, n = self.axis(self.along, len(bottoms[0])), len(self.spec.tops)
        size = bottoms[0][axis]
        points = self.points or tuple(size // n * i for i in range(1, n))
        edges = (0, *points, size)
        lengths = [b - a for a, b in pairwise(edges)]
        if min(lengths) < 1 or (not self.points and size % n):
            raise ShapeError(
                f"axis {axis} of size {size} does not give {n} tops, cut at {list(points)}: "
                f"slice_point has to rise within it"
            )
        return [(*bottoms[0][:axis], length, *bottoms[0][axis + 1 :]) for length in lengths]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        cuts = self.points or len(self.spec.tops)
        return modules.Slice(self.axis(self.along, len(bottoms[0])), cuts)


@register("Split")
class Split(Layer):
    """The bottom, several times (split_layer.cpp)."""

    tops = at_least(1)
    in_place = False

    @classmethod
    def shares_data(cls, spec: LayerDef) -> bool:
        """Return True."""
        return True

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Split(len(self.spec.tops))


@register("Silence")
class Silence(Layer):
    """Swallows blobs that nothing else reads (silence_layer.cpp)."""

    role = Role.SINK
    bottoms = at_least(1)
    tops = exactly(0)

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Silence()


@register("HDF5Output")
class HDF5Output(Silence):
    """Data and label for an HDF5 file (hdf5_output_layer.cpp).

    A forward pass computes them and writes nothing: `write_hdf5_output` writes their file.
    """

    bottoms = exactly(2)

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        if not spec.param.hdf5_output_param.file_name:
            raise ShapeError("hdf5_output_param has no file_name: name the file to write")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return no shape, for bottoms of as many rows and at most four axes."""
        if any(len(shape) > 4 for shape in bottoms):
            raise ShapeError(f"bottoms are {list(bottoms)}; the file takes at most 4 axes")
        if len({(*shape, 1)[0] for shape in bottoms}) > 1:
            raise ShapeError(f"bottoms are {list(bottoms)}: data and label need as many rows")
        return []
