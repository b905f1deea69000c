"""Pooling into the bins of several grids at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bigdl_caffe.nn.rois import largest_in_grid


def bin_spans(length: int, bins: int) -> Tensor:
    """Return (bins, 2): the first element of each bin, and that after its last.

    A bin is ``length / bins`` long, a fraction in single precision that is rounded outwards, so
    that neighbours can share an element (pooling_layer.cpp of BVLC/caffe#560, whose kernels and
    strides are fractions).
    """
    step = torch.tensor(length, dtype=torch.float32) / bins
    start = torch.arange(bins) * step
    return torch.stack((start.floor(), (start + step).ceil().clamp(max=length)), 1).long()


class SpatialPyramid(nn.Module):
    """The maxima of each grid, one behind the other (spatial_pyramid_pooling_layer.cpp).

    Parameters
    ----------
    bins : sequence of int
        How many bins a grid has a side.
    """

    def __init__(self, bins: Sequence[int]) -> None:
        super().__init__()
        self.bins = tuple(bins)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, numbers, 1, 1) of (n, c, height, width)."""
        maps, grids = x.flatten(0, 1), []
        for n in self.bins:
            rows, columns = (bin_spans(length, n).to(x.device) for length in x.shape[2:])
            grids.append(largest_in_grid(maps, rows, columns))
        return torch.cat([grid.reshape(len(x), -1) for grid in grids], 1)[..., None, None]
