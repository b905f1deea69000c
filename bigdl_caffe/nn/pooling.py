"""Pooling with Caffe's windows: rounding, clipping and divisors of pooling_layer.cpp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Where pooling windows lie; each pair is (height, width).

    Attributes
    ----------
    kernel, stride, pad : pair of int
        In elements of the bottom.
    ceil : bool
        Whether a last window that sticks out counts (Caffe's default) or not.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    pad: Pair = (0, 0)
    ceil: bool = True

    def counts(self, size: Sequence[int]) -> Pair:
        """Return how many windows a bottom of (height, width) holds along each axis."""
        return self._count(size, 0), self._count(size, 1)

    def _count(self, size: Sequence[int], i: int) -> int:
        k, s, p = self.kernel[i], self.stride[i], self.pad[i]
        n = (size[i] + 2 * p - k + (s - 1 if self.ceil else 0)) // s + 1
        # A last window that starts in the padding falls away, but only where there is padding.
        return n - 1 if any(self.pad) and (n - 1) * s >= size[i] + p else n

    def covered(self, size: Sequence[int]) -> Pair:
        """Return the height and width that the windows reach over, padding included."""
        rows, columns = self.counts(size)
        return (
            (rows - 1) * self.stride[0] + self.kernel[0],
            (columns - 1) * self.stride[1] + self.kernel[1],
        )

    @property
    def native(self) -> bool:
        """Whether torch, given the same numbers, makes the same windows for every size.

        It takes no padding beyond half a kernel, and drops windows that start
        beyond the bottom also where there is no padding.
        """
        halves = all(2 * p <= k for p, k in zip(self.pad, self.kernel, strict=True))
        close = all(s <= k for s, k in zip(self.stride, self.kernel, strict=True))
        return halves and (close or any(self.pad) or not self.ceil)

    def by_torch(self, x: Tensor) -> bool:
        """Return whether torch's own pooling makes these windows of ``x``.

        Not of a module on its way out if a window sticks out: ONNX's operators know no
        such windows for averages, and count those of maxima otherwise.
        """
        if not self.native or not torch.compiler.is_compiling():
            return self.native
        rims = zip(self.covered(x.shape[-2:]), x.shape[-2:], self.pad, strict=True)
        return all(covered <= size + 2 * pad for covered, size, pad in rims)

    def frame(self, x: Tensor, value: float) -> Tensor:
        """Return ``x`` (..., height, width) padded to what the windows cover.

        torch's floor rounding finds no more windows in it than there are.
        """
        (h, w), (height, width) = x.shape[-2:], self.covered(x.shape[-2:])
        bottom, right = height - h - self.pad[0], width - w - self.pad[1]
        edges = (self.pad[1], right, self.pad[0], bottom)
        return F.pad(x, edges, value=value) if max(edges) > 0 else x

    def divisor(self, x: Tensor) -> Tensor:
        """Return (rows, columns): the area of each window, clipped at size + pad."""
        size = x.shape[-2:]
        spans = []
        for i, n in enumerate(self.counts(size)):
            start = torch.arange(n, device=x.device, dtype=x.dtype) * self.stride[i] - self.pad[i]
            spans.append((start + self.kernel[i]).clamp(max=size[i] + self.pad[i]) - start)
        return spans[0][:, None] * spans[1]


class MaxPool(nn.Module):
    """Largest element of each window; the first one where several are equal.

    Parameters
    ----------
    window : Window or None
        None pools the whole of each channel.
    mask : bool
        Whether to return a second top: the maximum's place ``h * width + w``, as
        a number of the bottom's type; -1 for a window without elements.
    """

    def __init__(self, window: Window | None, mask: bool = False) -> None:
        super().__init__()
        self.window, self.mask = window, mask

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool (n, c, height, width)."""
        w = self.window or Window(tuple(x.shape[2:]))  # type: ignore[arg-type]  # 4-D by top_shapes
        if not self.mask:
            return self._pool(x, w)
        plain = w.by_torch(x)
        framed = x if plain else w.frame(x, _least(x))
        top, place = F.max_pool2d(
            framed, w.kernel, w.stride, w.pad if plain else 0, 1, plain and w.ceil, True
        )
        return top, (place if plain else _unframe(place, w, framed, x)).to(x.dtype)

    @staticmethod
    def _pool(x: Tensor, w: Window) -> Tensor:
        plain = x.requires_grad or torch.compiler.is_compiling() or x.device.type != "cpu"
        if not plain and sum(w.kernel) <= 16:
            return _rows_then_columns(x, w)
        if w.by_torch(x):
            return F.max_pool2d(x, w.kernel, w.stride, w.pad, 1, w.ceil)
        return F.max_pool2d(w.frame(x, _least(x)), w.kernel, w.stride)


class MinPool(MaxPool):
    """Smallest element of each window (pooling_layer.cpp of BVLC/caffe#5779); else `MaxPool`."""

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool (n, c, height, width)."""
        top = super().forward(-x)
        return -top if isinstance(top, Tensor) else (-top[0], top[1])


def _rows_then_columns(x: Tensor, w: Window) -> Tensor:
    """Return maxima without a gradient, five to ten times as fast as torch's on a CPU.

    torch walks each window by itself; here whole rows, then whole columns are compared.
    """
    x = w.frame(x, _least(x))
    for axis, kernel, stride in zip((-2, -1), w.kernel, w.stride, strict=True):
        x = reduce(torch.maximum, x.unfold(axis, kernel, stride).unbind(-1))
    return x


def _least(x: Tensor) -> float:
    """Return what Caffe starts each maximum from: -FLT_MAX, in double precision too."""
    return max(torch.finfo(torch.float32).min, torch.finfo(x.dtype).min)


def _unframe(place: Tensor, w: Window, framed: Tensor, x: Tensor) -> Tensor:
    """Return places in ``x`` for places in its padded form; -1 for those in the padding."""
    width = framed.shape[3]
    row = place.div(width, rounding_mode="floor") - w.pad[0]
    column = place % width - w.pad[1]
    inside = (row >= 0) & (row < x.shape[2]) & (column >= 0) & (column < x.shape[3])
    return torch.where(inside, row * x.shape[3] + column, -1)


class AvePool(nn.Module):
    """Sum of each window over its area clipped at size + pad.

    Parameters
    ----------
    window : Window
        Where the windows lie.
    """

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """Pool (n, c, height, width)."""
        w = self.window
        if w.by_torch(x):
            return F.avg_pool2d(x, w.kernel, w.stride, w.pad, w.ceil, count_include_pad=True)
        return _sums(x, w) / w.divisor(x)


class StochasticPool(nn.Module):
    """An element of each window by chance, or what comes of it on average (pooling_layer.cu).

    The chance of an element is its share of the window's sum. Elements are taken to be 0
    or more, as behind a ReLU.

    Parameters
    ----------
    window : Window or None
        Without padding; None pools the whole of each channel.
    draw : bool
        Whether to draw (StoPoolForwardTrain), or to give the mean weighted by the chances
        (StoPoolForwardTest).
    """

    def __init__(self, window: Window | None, draw: bool = False) -> None:
        super().__init__()
        self.window, self.draw = window, draw

    def forward(self, x: Tensor) -> Tensor:
        """Pool (n, c, height, width); a window whose sum is 0 gives 0."""
        w = self.window or Window(tuple(x.shape[2:]))  # type: ignore[arg-type]  # 4-D by top_shapes
        return _drawn(x, w) if self.draw else self._mean(x, w)

    @staticmethod
    def _mean(x: Tensor, w: Window) -> Tensor:
        sums = _sums(x, w)
        some = sums > 0
        return torch.where(some, _sums(x.square(), w) / torch.where(some, sums, 1), 0)


def _drawn(x: Tensor, w: Window) -> Tensor:
    """Return the element of each window at which the running sum reaches a random share of it."""
    windows = w.frame(x, 0).unfold(2, w.kernel[0], w.stride[0]).unfold(3, w.kernel[1], w.stride[1])
    windows = windows.flatten(-2)
    sums = windows.detach().cumsum(-1)
    share = 1 - torch.rand_like(sums[..., -1:])  # in (0, 1]: an element of 0 is never drawn
    place = (sums >= share * sums[..., -1:]).to(torch.uint8).argmax(-1, keepdim=True)
    return windows.gather(-1, place)[..., 0]


def _sums(x: Tensor, w: Window) -> Tensor:
    # Not by divisor_override=1: torch's ONNX exporter leaves it out.
    return F.avg_pool2d(w.frame(x, 0), w.kernel, w.stride) * prod(w.kernel)


def pyramid_window(level: int, size: Sequence[int]) -> Window:
    """Return the windows that cut (height, width) into ``2 ** level`` bins a side.

    As GetPoolingParam of spp_layer.cpp: what the bins are larger than the bottom is padded.
    """
    bins = 2**level
    height, width = (-(-n // bins) for n in size)
    pad = (height * bins - size[0] + 1) // 2, (width * bins - size[1] + 1) // 2
    return Window((height, width), (height, width), pad)


class PyramidPool(nn.Module):
    """Pool into 1, 4, 16... bins a channel, one after the other (spp_layer.cpp).

    Parameters
    ----------
    levels : int
        How many such numbers of bins.
    pool : callable
        Makes the module that pools with some windows.
    """

    def __init__(self, levels: int, pool: Callable[[Window], nn.Module]) -> None:
        super().__init__()
        self.levels, self.pool = levels, pool

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, numbers), or (n, c, 1, 1) where there is but one level."""
        tops = [self.pool(pyramid_window(i, x.shape[2:]))(x) for i in range(self.levels)]
        return tops[0] if self.levels == 1 else torch.cat([top.flatten(1) for top in tops], 1)
