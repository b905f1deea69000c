"""Modules that choose elements of their bottoms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError


class Crop(nn.Module):
    """Cut the first bottom to the second's sizes (crop_layer.cpp).

    Parameters
    ----------
    axis : int
        First axis to cut, non-negative.
    offsets : sequence of int
        Where the cut begins along each axis from ``axis`` on.
    """

    def __init__(self, axis: int, offsets: Sequence[int]) -> None:
        super().__init__()
        self.axis, self.offsets = axis, tuple(offsets)

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """Return a view of ``x``."""
        for axis, offset in enumerate(self.offsets, self.axis):
            x = x.narrow(axis, offset, like.shape[axis])
        return x


class Tile(nn.Module):
    """Copies of the bottom one after the other along an axis (tile_layer.cpp)."""

    def __init__(self, axis: int, tiles: int) -> None:
        super().__init__()
        self.axis, self.tiles = axis, tiles

    def forward(self, x: Tensor) -> Tensor:
        """Return ``tiles`` times as many elements along the axis."""
        repeats = [1] * x.dim()
        repeats[self.axis] = self.tiles
        return x.repeat(repeats)


class BatchReindex(nn.Module):
    """The bottom's rows in the order of a list of indices (batch_reindex_layer.cpp)."""

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        """Return one row of ``x`` for each number of ``index`` (m,), which may repeat."""
        return x.index_select(0, checked_index(index, x.shape[0], "row of the batch"))


class Filter(nn.Module):
    """The rows that a selector does not give 0 (filter_layer.cpp)."""

    def forward(self, *bottoms: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return for each bottom but the last, the selector (n, 1...), as many rows as chosen."""
        *data, selector = bottoms
        rows = selector.flatten().nonzero()[:, 0]
        tops = tuple(x.index_select(0, rows) for x in data)
        return tops[0] if len(tops) == 1 else tops


def checked_index(index: Tensor, size: int, what: str) -> Tensor:
    """Return ``index`` as integers, cut off as Caffe does, each from 0 to ``size - 1``.

    Raises
    ------
    CaffeError
        Where one is not. Not checked while a graph is traced, which has no numbers.
    """
    if not torch.compiler.is_compiling():
        wrong = index[~((index >= 0) & (index < size))]  # catches NaN as well
        if wrong.numel():
            raise CaffeError(
                f"there is no {what} {wrong[0].item():g}: they are numbered 0 to {size - 1}; feed "
                f"numbers of that range"
            )
    return index.long()
