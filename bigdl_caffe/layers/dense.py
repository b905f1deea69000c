"""Layers that are a matrix product."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import BlobSpec, Layer, count, register
from bigdl_caffe.nn import dense as modules


@register("InnerProduct")
class InnerProduct(Layer):
    """Caffe's fully connected layer (inner_product_layer.cpp).

    Blobs: weight (num_output, K), or (K, num_output) with ``transpose``, and bias
    (num_output), where K is the size of all axes from ``axis`` on.
    """

    in_place = False
    refused: ClassVar[Fields] = {"inner_product_param": ("relu", "negative_slope")}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.inner_product_param
        if not self.param.num_output:
            raise ShapeError("num_output is 0 or missing: give the number of outputs")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (axes before ``axis``..., num_output)."""
        axis = self.axis(self.param.axis, len(bottoms[0]))
        return [(*bottoms[0][:axis], self.param.num_output)]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return weight, and bias where bias_term says so."""
        n, axis = self.param.num_output, self.axis(self.param.axis, len(bottoms[0]))
        inner = count(bottoms[0][axis:])
        weight = (inner, n) if self.param.transpose else (n, inner)
        specs = [BlobSpec("weight", weight, self.param.weight_filler)]
        return specs + [BlobSpec("bias", (n,), self.param.bias_filler)] * self.param.bias_term

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        axis = self.axis(self.param.axis, len(bottoms[0]))
        return modules.InnerProduct(axis, self.param.transpose)

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return K multiplications an output."""
        return count(bottoms[0]) * int(self.param.num_output)


@register("Embed")
class Embed(Layer):
    """A learned row for each number: a product with its one-hot vector (embed_layer.cpp).

    Blobs: weight (input_dim, num_output), bias (num_output). A number that is no row is
    refused when the net runs.
    """

    in_place = False

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.embed_param
        if not (self.param.num_output and self.param.input_dim):
            raise ShapeError(
                f"num_output {self.param.num_output} and input_dim {self.param.input_dim}: give "
                f"the length of a row, and how many rows there are"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (bottom's axes..., num_output)."""
        return [(*bottoms[0], self.param.num_output)]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return weight, and bias where bias_term says so."""
        p, n = self.param, self.param.num_output
        specs = [BlobSpec("weight", (p.input_dim, n), p.weight_filler)]
        return specs + [BlobSpec("bias", (n,), p.bias_filler)] * p.bias_term

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Embed()

    def no_gradient_to(self) -> Collection[int]:
        """Return the numbers."""
        return (0,)
