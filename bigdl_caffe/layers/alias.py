"""The layer that `bigdl_caffe.graph.names` puts in where memory has two names."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.graph.names import ALIAS
from bigdl_caffe.layers.registry import Layer, exactly, register


class _ViewAs(nn.Module):
    def forward(self, changed: Tensor, old: Tensor) -> Tensor:
        return changed.reshape(old.shape)


@register(ALIAS)
class Alias(Layer):
    """The first bottom's numbers in the second's shape.

    In Caffe, Reshape, Flatten and Split share memory with their bottom, so an in-place
    layer behind them changes what the bottom's name shows.
    """

    bottoms = exactly(2)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the second bottom's shape."""
        return [bottoms[1]]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the view."""
        return _ViewAs()
