"""Layers of forks that cut the edges off."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class CropCenter(nn.Module):
    """Cut the same number of elements off both ends of each axis (crop_center_layer.cpp).

    Parameters
    ----------
    sizes : sequence of int
        How many, an axis.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the middle of ``x``."""
        return x[tuple(slice(c, n - c) for c, n in zip(self.sizes, x.shape, strict=True))]


class SimpleCrop(nn.Module):
    """The upper left corner, as large as another blob (simple_crop_layer.cpp)."""

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """Return ``x`` (n, c, height, width), as high and wide as ``like``."""
        return x[:, :, : like.shape[2], : like.shape[3]]
