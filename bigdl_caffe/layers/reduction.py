"""Layers that make few numbers of many."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.registry import Layer, count, register
from bigdl_caffe.nn import reduction as modules


@register("Reduction")
class Reduction(Layer):
    """SUM, ASUM, SUMSQ or MEAN of all axes from ``axis`` on (reduction_layer.cpp)."""

    in_place = False

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.reduction_param

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the axes before ``axis``."""
        return [bottoms[0][: self.axis(self.param.axis, len(bottoms[0]))]]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        operation = pb.ReductionParameter.ReductionOp.Name(self.param.operation)
        axis = self.axis(self.param.axis, len(bottoms[0]))
        return modules.Reduction(operation, axis, self.param.coeff)

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return whether the rows are summed as well."""
        return self.axis(self.param.axis, len(bottoms[0])) == 0

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return one addition an element."""
        return count(bottoms[0])


@register("ArgMax")
class ArgMax(Layer):
    """Places or values of the ``top_k`` largest, along an axis or a row (argmax_layer.cpp).

    Of equal elements the one further on comes first.
    """

    in_place = False

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.argmax_param
        if not self.param.top_k:
            raise ShapeError("top_k is 0: give how many of the largest to return")

    def along(self, bottom: Shape) -> int | None:
        """Return the non-negative axis to search along; None for whole rows."""
        return self.axis(self.param.axis, len(bottom)) if self.param.HasField("axis") else None

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return ``top_k`` in place of the axis, or else (n, 1 or 2, top_k, 1...)."""
        bottom, k = bottoms[0], self.param.top_k
        if not bottom:
            raise ShapeError("the bottom has no axes: ArgMax takes at least one")
        axis = self.along(bottom)
        there = count(bottom[1:]) if axis is None else bottom[axis]
        if k > there:
            raise ShapeError(f"top_k {k} is more than the {there} elements there are: reduce it")
        if axis is not None:
            return [(*bottom[:axis], k, *bottom[axis + 1 :])]
        return [(bottom[0], 2 if self.param.out_max_val else 1, k, *[1] * (len(bottom) - 3))]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.ArgMax(self.param.top_k, self.along(bottoms[0]), self.param.out_max_val)

    def chooses(self) -> bool:
        """Return True: elements stand in competition."""
        return True

    def no_gradient_to(self) -> Collection[int]:
        """Return the bottom: argmax_layer.hpp has no backward pass."""
        return (0,)

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return whether it searches along the rows."""
        return self.along(bottoms[0]) == 0
