"""Matrix products."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from bigdl_caffe.nn.blobs import Weighted
from bigdl_caffe.nn.indexing import checked_index


class InnerProduct(Weighted):
    """Product with all axes from ``axis`` on, as inner_product_layer.cpp.

    Parameters
    ----------
    axis : int
        First axis of the product, non-negative.
    transpose : bool
        Whether the weight is (inputs, outputs) and not (outputs, inputs).
    """

    def __init__(self, axis: int = 1, transpose: bool = False) -> None:
        super().__init__()
        self.axis, self.transpose = axis, transpose

    def forward(self, x: Tensor) -> Tensor:
        """Return (axes before ``axis``..., outputs)."""
        weight = self.weight.t() if self.transpose else self.weight
        return F.linear(x.flatten(self.axis), weight, self.bias)


class Embed(Weighted):
    """The weight's row that each number names, plus the bias (embed_layer.cpp)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (shape of ``x``..., outputs)."""
        top = F.embedding(checked_index(x, self.weight.shape[0], "row of weights"), self.weight)
        return top if self.bias is None else top + self.bias
