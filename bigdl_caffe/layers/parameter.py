"""A learned blob as a top."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.registry import BlobSpec, Layer, exactly, register
from bigdl_caffe.nn.blobs import Weighted


class _Copy(Weighted):
    """The weight, copied so that nothing done to the top reaches it."""

    def forward(self) -> Tensor:
        return self.weight.clone()


@register("Parameter")
class Parameter(Layer):
    """Its own blob as its top (parameter_layer.hpp). Blob: of ``shape``, zeros at first."""

    bottoms = exactly(0)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return parameter_param's shape."""
        return [tuple(self.spec.param.parameter_param.shape.dim)]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return the blob, which has no filler in Caffe."""
        return [BlobSpec("weight", self.top_shapes(bottoms)[0])]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return _Copy()
