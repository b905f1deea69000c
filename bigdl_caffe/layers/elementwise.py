"""Layers that join several bottoms into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.options import Fields, one_of, same_shapes
from bigdl_caffe.layers.registry import Layer, at_least, count, register
from bigdl_caffe.nn.elementwise import Concat as ConcatModule
from bigdl_caffe.nn.elementwise import Maximum, Product, Sum


@register("Eltwise")
class Eltwise(Layer):
    """PROD, SUM with coefficients, or MAX of equally shaped bottoms (eltwise_layer.cpp).

    SUM in place gives what Caffe does, a sum without the first bottom.
    """

    bottoms = at_least(2)

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.operation = spec.param.eltwise_param.operation
        self.coefficients = tuple(spec.param.eltwise_param.coeff)
        if self.coefficients and self.operation == pb.EltwiseParameter.PROD:
            raise ShapeError("coeff goes with SUM, not with PROD: remove it")
        if len(self.coefficients) not in (0, len(spec.bottoms)):
            raise ShapeError(
                f"{len(self.coefficients)} coeff for {len(spec.bottoms)} bottoms: "
                f"give none, or one a bottom"
            )
        self.overwrites = spec.tops[0] in spec.bottoms
        if self.overwrites and self.operation == pb.EltwiseParameter.MAX:
            raise UnsupportedLayerError(
                "MAX in place gives one thing on Caffe's CPU and another on its GPU: give the "
                "top a name of its own"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottoms' common shape."""
        same_shapes(bottoms)
        return [bottoms[0]]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        if self.operation == pb.EltwiseParameter.SUM:
            return Sum(self.coefficients or (1,) * len(bottoms), self.overwrites)
        if self.operation == pb.EltwiseParameter.MAX:
            return Maximum()
        return Product(self.spec.param.eltwise_param.stable_prod_grad)

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return one operation an element for each bottom after the first."""
        return count(bottoms[0]) * (len(bottoms) - 1)


@register("Concat")
class Concat(Layer):
    """Bottoms end to end along ``axis``, or the older ``concat_dim`` (concat_layer.cpp)."""

    bottoms = at_least(1)
    in_place = False
    refused: ClassVar[Fields] = {"concat_param": ("per_fla_fuse",)}

    @classmethod
    def shares_data(cls, spec: LayerDef) -> bool:
        """Return whether there is one bottom: Caffe hands its memory on."""
        return len(spec.bottoms) == 1

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.along = one_of(spec.param.concat_param, "concat_dim", "axis")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the first bottom's shape, as long as all bottoms along the axis."""
        axis = self.axis(self.along, len(bottoms[0]))
        for i, shape in enumerate(bottoms):
            if len(shape) != len(bottoms[0]) or _without(shape, axis) != _without(bottoms[0], axis):
                raise ShapeError(
                    f"bottom {i} has shape {shape} and bottom 0 {bottoms[0]}: only axis {axis}, "
                    f"along which they are joined, may differ"
                )
        length = sum(shape[axis] for shape in bottoms)
        return [(*bottoms[0][:axis], length, *bottoms[0][axis + 1 :])]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return ConcatModule(self.axis(self.along, len(bottoms[0])))


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]
