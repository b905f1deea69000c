"""3×3 convolutions in a quarter of the multiplications: Winograd's F(4×4, 3×3).

oneDNN has no such kernel for float32. Here torch's vectorised sums make the two transforms,
and one grouped 1×1 convolution of oneDNN all 36 matrix products between them. Tops are computed
in tiles of 4×4, a block of tiles at a time, so that a block's values stay in the cache.

The points are 0, ±√½, ±√2 and ∞: in float32 they lose a quarter of what 0, ±1, ±2 and ∞ lose.
With A and B as `_behind` and `_before` have them: top tile = Aᵀ ((G w Gᵀ) ∘ (Bᵀ d B)) A.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import ceil, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.engine.fused import Activation
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.nn.convolution import Convolution

SMALLEST = 128
"""Channels, of bottom and top, from which on the products outweigh the transforms."""

LEAST = 8192
"""Tiles times channels of a block, below which the calls and the weights take the time."""

MOST = 144
"""Tiles of a block, beyond which its values leave the cache and the products gain nothing."""

_TILE, _KERNEL = 4, 3
_READ = _TILE + _KERNEL - 1
_GROUPS = _READ * _READ
_A, _B = sqrt(0.5), sqrt(2)
_G = (
    (1, 0, 0),
    (-2 / 3 * _A, -2 / 3 * _A**2, -2 / 3 * _A**3),
    (-2 / 3 * _A, 2 / 3 * _A**2, -2 / 3 * _A**3),
    (1 / 6 * _B, 1 / 6 * _B**2, 1 / 6 * _B**3),
    (1 / 6 * _B, -1 / 6 * _B**2, 1 / 6 * _B**3),
    (0, 0, 1),
)
"""Transforms a kernel's rows and columns; those of ±p times p, which saves `_behind` a product."""


def tiles(module: Convolution, shape: Shape) -> int:
    """Return how many tiles a block has for bottoms of ``shape``; 0 where it is no quicker.

    It depends on sizes alone, so that all processes of a host decide the same.
    """
    if not fits(module):
        return 0
    rows, channels, height, width = shape
    outputs = module.weight.shape[0]
    down, across = _counts(module, height, width)
    if min(channels, outputs) < SMALLEST or min(rows, down, across) < 1:
        return 0
    image = down * across
    if image > MOST:  # blocks of rows of tiles, about as large as each other
        block = ceil(down / ceil(image / MOST)) * across
    else:
        block = ceil(rows / ceil(rows * image / MOST)) * image
    return block if block * min(channels, outputs) >= LEAST else 0


_always = ContextVar("_always", default=False)


@contextmanager
def always() -> Iterator[None]:
    """Let layers go by transforms however few rows there are: a check has few, to be quick."""
    before = _always.set(True)
    try:
        yield
    finally:
        _always.reset(before)


def fits(module: Convolution) -> bool:
    """Return whether the convolution is one of 3×3, by steps of 1, of all channels."""
    how = module.convolve.keywords
    same = how["stride"] == how["dilation"] == (1, 1) and how["groups"] == 1
    kernel = tuple(module.weight.shape[2:])
    return same and kernel == (_KERNEL, _KERNEL) and max(how["padding"]) < _KERNEL


def _counts(module: Convolution, height: int, width: int) -> tuple[int, int]:
    """Return how many tiles cover a top, down and across."""
    high, wide = module.convolve.keywords["padding"]
    return -(-(height + 2 * high - 2) // _TILE), -(-(width + 2 * wide - 2) // _TILE)


def pack_weight(module: Convolution, tiles: int) -> Tensor:
    """Return the transformed weight in oneDNN's blocks, for ``tiles`` tiles at a time."""
    weight = module.weight.detach()
    outputs, channels = weight.shape[:2]
    one = torch.tensor(_G, dtype=torch.float64)
    both = torch.kron(one, one)
    turned = both @ weight.permute(2, 3, 0, 1).reshape(_KERNEL**2, -1).double()
    grouped = turned.float().view(_GROUPS * outputs, channels, 1, 1)
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        grouped.contiguous(memory_format=torch.channels_last),
        *_ONE_BY_ONE,
        [1, _GROUPS * channels, tiles, 1],
    )
    return packed


_ONE_BY_ONE = ([0, 0], [1, 1], [1, 1], _GROUPS)


@dataclass(frozen=True)
class _Block:
    """Whole rows of tiles of some images.

    Attributes
    ----------
    first, images, row, rows, across : int
        The first image, how many; the first row of tiles, how many; tiles in each.
    """

    first: int
    images: int
    row: int
    rows: int
    across: int

    @property
    def tiles(self) -> int:
        return self.images * self.rows * self.across


def _blocks(images: int, down: int, across: int, tiles: int) -> Iterator[_Block]:
    together, rows = max(1, tiles // (down * across)), min(down, tiles // across)
    for first in range(0, images, together):
        for row in range(0, down, rows):
            many = min(together, images - first), min(rows, down - row)
            yield _Block(first, many[0], row, many[1], across)


class WinogradConvolution(nn.Module):
    """A 3×3 convolution, what is added to it, and the activation behind.

    Parameters
    ----------
    convolution : Convolution
        One that `fits`.
    weight : Tensor
        From `pack_weight`.
    tiles : int
        What the weight is packed for.
    activation : Activation
        Applied last.
    adds : bool
        Whether a second bottom is added before it.
    """

    def __init__(
        self,
        convolution: Convolution,
        weight: Tensor,
        tiles: int,
        activation: Activation,
        adds: bool,
    ) -> None:
        super().__init__()
        self.convolution, self.tiles, self.adds = convolution, tiles, adds
        self.activation = activation
        self.pad: tuple[int, int] = convolution.convolve.keywords["padding"]
        bias = convolution.bias
        self.packed = (weight, None if bias is None else _turned_bias(bias.detach()))

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """Return (n, channels, height, width), in channels-last order."""
        x = x.contiguous(memory_format=torch.channels_last)
        images, _, height, width = x.shape
        down, across = _counts(self.convolution, height, width)
        empty = 2 * images * down * across < self.tiles and not _always.get()
        if across > self.tiles or empty:  # too large for a block, or it would be mostly empty
            return self._direct(x, others)
        outputs = self.convolution.weight.shape[0]
        high, wide = (size + 2 * pad - 2 for size, pad in zip(x.shape[2:], self.pad, strict=True))
        top = x.new_empty(images, high, wide, outputs)
        x = x.permute(0, 2, 3, 1)
        for block in _blocks(images, down, across, self.tiles):
            made = self._products(self._read(x, block), block)
            rows = slice(_TILE * block.row, _TILE * (block.row + block.rows))
            place = top[block.first : block.first + block.images, rows]
            if place.shape[1:3] == (_TILE * block.rows, _TILE * across):
                _top(made, place)
            else:
                tiled = x.new_empty(block.images, _TILE * block.rows, _TILE * across, outputs)
                _top(made, tiled)
                place.copy_(tiled[:, : place.shape[1], :wide])
            for other in others:
                channels_last = other.permute(0, 2, 3, 1)
                place.add_(channels_last[block.first : block.first + block.images, rows])
            self.activation(place)
        return top.permute(0, 3, 1, 2)

    def _direct(self, x: Tensor, others: Sequence[Tensor]) -> Tensor:
        made = self.convolution._plain(x)
        for other in others:
            made.add_(other)
        return self.activation(made)

    def _read(self, x: Tensor, block: _Block) -> Tensor:
        """Return Bᵀ d B of a block's tiles: (tiles, 36 * channels), and rows to fill it up."""
        channels = x.shape[-1]
        d = self._padded(x, block)
        images, rows, across, width = block.images, block.rows, block.across, d.shape[2]
        half = x.new_empty(images, rows, _READ, width, channels)
        _before(
            [d[:, j : j + _TILE * rows - 3 : _TILE] for j in range(_READ)],
            [half[:, :, j] for j in range(_READ)],
        )
        whole = x.new_empty(self.tiles, _GROUPS * channels)
        whole[block.tiles :].zero_()
        made = whole[: block.tiles].view(images, rows, across, _READ, _READ, channels)
        made = made.permute(0, 1, 3, 2, 4, 5)
        _before(
            [half[:, :, :, j : j + _TILE * across - 3 : _TILE] for j in range(_READ)],
            [made[:, :, :, :, j] for j in range(_READ)],
        )
        return whole

    def _padded(self, x: Tensor, block: _Block) -> Tensor:
        """Return what a block's tiles read, with zeros around the bottom."""
        _, height, width, _ = x.shape
        pad_down, left = self.pad
        first = _TILE * block.row - pad_down
        last = first + _TILE * block.rows + 2
        right = _TILE * block.across + 2 - left - width
        above, under = max(0, -first), max(0, last - height)
        x = x[block.first : block.first + block.images, max(0, first) : min(last, height)]
        return F.pad(x, (0, 0, left, right, above, under))

    def _products(self, d: Tensor, block: _Block) -> Tensor:
        """Return (images, rows, across, 6, 6, outputs)."""
        as_image = d.view(1, self.tiles, 1, -1).permute(0, 3, 1, 2)
        made = torch.ops.mkldnn._convolution_pointwise(
            as_image, *self.packed, *_ONE_BY_ONE, "none", [], ""
        )
        made = made.permute(0, 2, 3, 1).view(self.tiles, -1)[: block.tiles]
        grouped: Tensor = made.view(block.images, block.rows, block.across, _READ, _READ, -1)
        return grouped


def _top(products: Tensor, top: Tensor) -> None:
    """Write Aᵀ m A of a block's products to (images, 4 * rows, 4 * across, outputs)."""
    images, rows, across, *_, outputs = products.shape
    half = products.new_empty(images, rows, across, _TILE, _READ, outputs)
    _behind([products[:, :, :, j] for j in range(_READ)], [half[:, :, :, j] for j in range(_TILE)])
    half = half.permute(0, 1, 3, 2, 4, 5)
    place = top.view(images, rows, _TILE, across, _TILE, outputs)
    _behind(
        [half[:, :, :, :, j] for j in range(_READ)],
        [place[:, :, :, :, j] for j in range(_TILE)],
    )


def _before(d: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Apply Bᵀ along one axis: ``d`` and ``out`` are that axis's six places."""
    a, b = torch.sub(d[4], d[2], alpha=2), torch.sub(d[3], d[1], alpha=2)
    torch.add(a, b, alpha=_A, out=out[1])
    torch.sub(a, b, alpha=_A, out=out[2])
    torch.add(d[0], a, out=out[0]).sub_(d[2], alpha=0.5)
    torch.sub(d[5], b, alpha=0.5, out=out[5]).sub_(d[3], alpha=2)
    torch.sub(d[4], d[2], alpha=0.5, out=a)
    torch.sub(d[3], d[1], alpha=0.5, out=b)
    torch.add(a, b, alpha=_B, out=out[3])
    torch.sub(a, b, alpha=_B, out=out[4])


def _behind(m: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Apply Aᵀ along one axis: of ``m``'s six places, to ``out``'s four."""
    a, b = m[1] - m[2], m[3] - m[4]
    torch.add(a, b, out=out[1])
    torch.add(m[5], a, alpha=0.5, out=out[3]).add_(b, alpha=2)
    torch.add(m[1], m[2], out=a).mul_(_A)
    torch.add(m[3], m[4], out=b)
    torch.add(a, b, alpha=_B, out=out[2])
    torch.add(m[0], a, alpha=2, out=out[0]).add_(b, alpha=_A)


def _turned_bias(bias: Tensor) -> Tensor:
    """Return what, added to the products, adds ``bias`` to every place of a tile."""
    eye = torch.eye(_READ, dtype=torch.float64)
    out = torch.empty(_TILE, _READ, dtype=torch.float64)
    _behind(list(eye), list(out))  # Aᵀ
    one = torch.linalg.lstsq(out, torch.ones(_TILE, 1, dtype=torch.float64), driver="gelsd")
    both = one.solution @ one.solution.T
    turned: Tensor = (both.reshape(-1, 1) * bias.double()).float().reshape(-1)
    return turned
