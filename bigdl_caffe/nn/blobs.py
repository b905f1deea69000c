"""Modules whose blobs are set from outside, in Caffe's own layout."""

from __future__ import annotations

from torch import Tensor, nn


class Weighted(nn.Module):
    """A module with a weight and a bias, both absent until someone sets them.

    Attributes
    ----------
    weight, bias : Tensor or None
        Parameters in the shape of Caffe's blobs. Nothing is allocated here, so a
        weight file's memory can be set as it is.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
