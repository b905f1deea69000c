"""Modules that move elements and compute none."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Reshape(nn.Module):
    """Replace the axes ``start`` to ``end`` by others (reshape_layer.cpp).

    Parameters
    ----------
    dims : sequence of int
        0 copies the bottom's own axis, -1 takes what remains.
    start, end : int
        Non-negative; the axes before ``start`` and from ``end`` on stay.
    """

    def __init__(self, dims: Sequence[int], start: int, end: int) -> None:
        super().__init__()
        self.dims, self.start, self.end = tuple(dims), start, end

    def forward(self, x: Tensor) -> Tensor:
        """Return the same elements in another shape."""
        size, start = x.shape, self.start
        dims = [d or size[i] for i, d in enumerate(self.dims, start)]
        return x.reshape([*size[:start], *dims, *size[self.end :]])


class Permute(nn.Module):
    """Reorder the axes (SSD's permute_layer.cpp)."""

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        self.order = tuple(order)

    def forward(self, x: Tensor) -> Tensor:
        """Return a view of ``x``."""
        return x.permute(self.order)


class Slice(nn.Module):
    """Cut along an axis (slice_layer.cpp).

    Parameters
    ----------
    axis : int
        Axis to cut.
    cuts : int or sequence of int
        Number of equal parts, or where every part after the first starts.
    """

    def __init__(self, axis: int, cuts: int | Sequence[int]) -> None:
        super().__init__()
        self.axis, self.cuts = axis, cuts if isinstance(cuts, int) else tuple(cuts)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return views of ``x``."""
        tops: tuple[Tensor, ...] = x.tensor_split(self.cuts, self.axis)
        return tops[0] if len(tops) == 1 else tops


class Split(nn.Module):
    """Give the bottom to several tops (split_layer.cpp)."""

    def __init__(self, tops: int) -> None:
        super().__init__()
        self.tops = tops

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return ``x`` once a top."""
        return x if self.tops == 1 else (x,) * self.tops


class Silence(nn.Module):
    """Take any bottoms and make nothing (silence_layer.cpp)."""

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """Return no top."""
        return ()
