"""Enlarging and shrinking of images: Interp, Upsample and Unpooling of Caffe's forks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.nn.pooling import Pair


@dataclass(frozen=True)
class Grid:
    """What Interp makes of a height or width (interp_layer.cpp of DeepLab).

    Attributes
    ----------
    pad : pair of int
        Rows and columns added before and after; negative ones are cut away.
    fixed : pair of int or None
        Height and width whatever the bottom's are.
    shrink, zoom : int
        Else every ``shrink``-th element stays, then each gap is split into ``zoom``.
    """

    pad: Pair = (0, 0)
    fixed: Pair | None = None
    shrink: int = 1
    zoom: int = 1

    def cut(self, size: Sequence[int]) -> Pair:
        """Return the (height, width) that is left of a bottom's."""
        return size[0] + sum(self.pad), size[1] + sum(self.pad)

    def top(self, size: Sequence[int]) -> Pair:
        """Return the top's (height, width) for a bottom's."""
        height, width = self.cut(size)
        return self.fixed or (self._scaled(height), self._scaled(width))

    def _scaled(self, length: int) -> int:
        kept = (length - 1) // self.shrink + 1
        return kept + (kept - 1) * (self.zoom - 1)


class Interp(nn.Module):
    """Bilinear interpolation that keeps the corners in place (util/interp.cpp of DeepLab).

    Parameters
    ----------
    grid : Grid
        The sizes.
    """

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """Interpolate (n, c, height, width) to the grid, or else to the size of ``like``."""
        size = self.grid.top(x.shape[2:]) if like is None else tuple(like.shape[2:])
        cut = F.pad(x, 2 * self.grid.pad) if any(self.grid.pad) else x
        return F.interpolate(cut, size, mode="bilinear", align_corners=True)


class Repeat(nn.Module):
    """Each element as a square of ``scale`` by ``scale`` (upsample_layer.cpp of MobileNet-YOLO)."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def size(self, bottom: Sequence[int]) -> Pair:
        """Return the top's (height, width) for a bottom's."""
        return bottom[0] * self.scale, bottom[1] * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge (n, c, height, width)."""
        n, c, height, width = x.shape
        squares = x[..., None, :, None].expand(n, c, height, self.scale, width, self.scale)
        return squares.reshape(n, c, *self.size((height, width)))


class Unpool(nn.Module):
    """Elements put back where a pooling mask found them, zeros elsewhere.

    As upsample_layer.cpp of caffe-segnet. Of elements with the same place, the last one
    stays on a CPU; each has the gradient of the place.

    Parameters
    ----------
    times, plus : pair of int
        The top is ``size * times + plus`` high and wide.
    """

    def __init__(self, times: Pair, plus: Pair) -> None:
        super().__init__()
        self.times, self.plus = times, plus

    def size(self, bottom: Sequence[int]) -> Pair:
        """Return the top's (height, width) for a bottom's."""
        rows, columns = (n * t + p for n, t, p in zip(bottom, self.times, self.plus, strict=True))
        return rows, columns

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Unpool (n, c, height, width) by a mask of that shape: places ``h * width + w``.

        Raises
        ------
        ShapeError
            Where the mask has a place that the top has not.
        """
        height, width = self.size(x.shape[2:])
        places = mask.flatten(2).long()
        if not torch.compiler.is_compiling():
            _check(places, height * width)
        top = x.new_zeros(*x.shape[:2], height * width)
        return top.scatter(2, places, x.flatten(2)).view(*x.shape[:2], height, width)


def _check(places: Tensor, count: int) -> None:
    least, most = (int(place) for place in places.aminmax())
    if least < 0 or most >= count:
        raise ShapeError(
            f"the mask has places from {least} to {most}, and the top has 0 to {count - 1}: make "
            f"it as large as the bottom of the pooling layer that made the mask"
        )
