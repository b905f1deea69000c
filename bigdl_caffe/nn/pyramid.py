"""Pooling into the bins of several grids at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bigdl_caffe.nn.pooling import MaxPool, Window


def bin_window(size: Sequence[int], bins: int) -> Window:
    """Return the windows of a grid with ``bins`` a side over (height, width).

    Each is cut down to whole elements and none is padded, so they can be one more a side.
    """
    kernel = (size[0] // bins, size[1] // bins)
    return Window(kernel, kernel)


class SpatialPyramid(nn.Module):
    """The maxima of each grid, put one behind the other (spatial_pyramid_pooling_layer.cpp).

    Parameters
    ----------
    bins : sequence of int
        How many bins a grid has a side.
    """

    def __init__(self, bins: Sequence[int]) -> None:
        super().__init__()
        self.bins = tuple(bins)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, numbers, 1, 1); of one grid alone (n, c, rows, columns)."""
        grids: list[Tensor] = [MaxPool(bin_window(x.shape[2:], n))(x) for n in self.bins]
        if len(grids) == 1:
            return grids[0]
        return torch.cat([grid.flatten(1) for grid in grids], 1)[..., None, None]
