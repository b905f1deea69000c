"""Pooling of regions of interest: one fixed grid of cells for each box of any size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import INT_MAX
from bigdl_caffe.nn.pooling import Pair


def round_half_away(x: Tensor) -> Tensor:
    """Return ``x`` rounded as C's round does; torch rounds halves to even numbers."""
    whole = x.trunc()
    return whole + x.sign() * ((x - whole).abs() >= 0.5)


def _images(rois: Tensor, scale: float, batch: int) -> Tensor:
    """Return (rois): the image that each roi is of; raise for rois that are nowhere.

    Compiled, it does not look: that would split the graph in two.
    """
    image = rois[:, 0].long()
    if torch.compiler.is_compiling():
        return image
    strange = ~(rois.abs() * (1 + abs(scale)) <= INT_MAX).all(1)  # NaN too
    if bool(strange.any()):
        raise ShapeError(
            f"a roi is {rois[strange][0].tolist()}, with spatial_scale {scale}: give the place of "
            f"its image in the batch, then its corners in pixels"
        )
    if bool(((image < 0) | (image >= batch)).any()):
        wrong = image[(image < 0) | (image >= batch)][0]
        raise ShapeError(
            f"a roi is of image {int(wrong)}, and the batch has images 0 to {batch - 1}: the "
            f"first number of a roi is the place of its image in the batch"
        )
    return image


def _cells(start: Tensor, size: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return where the cells of each roi begin and end, (rois, count) each, from ``start`` on."""
    step = (size / count)[:, None]
    i = torch.arange(count, device=size.device, dtype=size.dtype)
    return i * step + start[:, None], (i + 1) * step + start[:, None]


class ROIPool(nn.Module):
    """Largest element of each cell of each roi; 0 for a cell without elements.

    The gradient goes to the first of the largest, row by row. Rounding can make a cell reach
    beyond its roi, as it always does where the corners are swapped; Caffe's backward pass
    passes such elements over (roi_pooling_layer.cpp of rbgirshick/caffe-fast-rcnn).

    Parameters
    ----------
    size : pair of int
        Rows and columns of cells.
    scale : float
        From the coordinates of rois to those of the bottom.
    """

    def __init__(self, size: Pair, scale: float) -> None:
        super().__init__()
        self.size, self.scale = size, scale

    def forward(self, x: Tensor, rois: Tensor) -> Tensor:
        """Pool ``x`` (n, c, height, width) over ``rois`` (rois, 5): image, x1, y1, x2, y2."""
        rois = rois.detach().flatten(1)
        images = _images(rois, self.scale, len(x)).tolist()
        corners = round_half_away(rois[:, 1:] * self.scale)[:, [1, 3, 0, 2]]
        tall = self._spans(corners[:, 0], corners[:, 1], self.size[0], x.shape[2])
        wide = self._spans(corners[:, 2], corners[:, 3], self.size[1], x.shape[3])
        boxes = corners.long().tolist()
        pooled = [
            largest_in_grid(_live(x[image], box, rows, columns), rows, columns)
            for image, box, rows, columns in zip(images, boxes, tall, wide, strict=True)
        ]
        return torch.stack(pooled) if pooled else x.new_zeros(0, x.shape[1], *self.size)

    @staticmethod
    def _spans(first: Tensor, last: Tensor, count: int, limit: int) -> Tensor:
        """Return (rois, count, 2): the first element of each cell, and that after its last."""
        size = (last - first + 1).clamp(min=1)
        begin, end = _cells(torch.zeros_like(size), size, count)
        spans = torch.stack((begin.floor(), end.ceil()), 2) + first[:, None, None]
        return spans.clamp(0, limit).long()


def _live(x: Tensor, box: list[int], rows: Tensor, columns: Tensor) -> Tensor:
    """Return ``x`` (c, height, width), cut off from its gradient where cells leave their roi."""
    top, bottom, left, right = box
    if not x.requires_grad or (int(rows[-1, 1]) <= bottom + 1 and int(columns[-1, 1]) <= right + 1):
        return x
    inside = torch.zeros(x.shape[1:], dtype=torch.bool, device=x.device)
    inside[max(top, 0) : max(bottom + 1, 0), max(left, 0) : max(right + 1, 0)] = True
    return torch.where(inside, x, x.detach())


def largest_in_grid(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return (c, rows, columns): the largest element of each cell of a grid, 0 for an empty one.

    The gradient goes to the first of the largest, row by row.

    Parameters
    ----------
    x : Tensor
        (c, height, width)
    rows, columns : Tensor
        (rows, 2) and (columns, 2) of int: the first element of each, and that after its last.
    """
    first = min(int(rows[0, 0]), x.shape[1] - 1)
    x = x[:, first : max(int(rows[-1, 1]), first + 1)]
    along = _first_along if x.requires_grad else _along
    pooled = along(along(x, columns).transpose(1, 2), rows - first).transpose(1, 2)
    empty = (rows[:, 0] >= rows[:, 1])[:, None] | (columns[:, 0] >= columns[:, 1])
    return pooled.masked_fill(empty, 0)


def _along(x: Tensor, spans: Tensor) -> Tensor:
    """Return (c, n, spans): maxima of ``x`` (c, n, elements) in ``spans`` of its last axis."""
    last = x.shape[2] - 1
    parts = [x[:, :, min(i, last) : max(j, min(i, last) + 1)] for i, j in spans.tolist()]
    return torch.stack([part.amax(2) for part in parts], 2)


def _first_along(x: Tensor, spans: Tensor) -> Tensor:
    """Return the same, with the gradient to the first of equals, where amax parts it."""
    begin, end = spans.unbind(1)
    reach = torch.arange(max(int((end - begin).max()), 1), device=x.device)
    place = torch.minimum(begin[:, None] + reach, end[:, None] - 1).clamp(0, x.shape[2] - 1)
    return x[:, :, place].max(-1).values


class PSROIPool(nn.Module):
    """Mean of each cell of each roi, each cell over channels of its own; 0 for an empty one.

    psroi_pooling_layer.cu of daijifeng001/caffe-rfcn. Sums run over an integral image of
    double precision, so that a cell costs the same whatever its size.

    Parameters
    ----------
    dim : int
        Channels of the top.
    group : int
        Rows and columns of cells; the bottom has ``dim * group * group`` channels.
    scale : float
        From the coordinates of rois to those of the bottom.
    """

    def __init__(self, dim: int, group: int, scale: float) -> None:
        super().__init__()
        self.dim, self.group, self.scale = dim, group, scale

    def forward(self, x: Tensor, rois: Tensor) -> Tensor:
        """Pool ``x`` (n, channels, height, width) over ``rois`` (rois, 5)."""
        rois = rois.detach().flatten(1)
        whole = round_half_away(rois[:, 1:])
        x1, y1 = (whole[:, :2] * self.scale).unbind(1)
        x2, y2 = ((whole[:, 2:] + 1) * self.scale).unbind(1)
        top, bottom = self._spans(y1, y2, x.shape[2])
        left, right = self._spans(x1, x2, x.shape[3])
        top, bottom, left, right = top[..., None], bottom[..., None], left[:, None], right[:, None]
        sums = self._sums(x, _images(rois, self.scale, x.shape[0]))
        total = sums(bottom, right) - sums(top, right) - sums(bottom, left) + sums(top, left)
        area = ((bottom - top).clamp(min=0) * (right - left).clamp(min=0))[..., None]
        mean = torch.where(area > 0, total / area.clamp(min=1), 0)
        return mean.permute(0, 3, 1, 2).to(x.dtype)

    def _spans(self, first: Tensor, last: Tensor, limit: int) -> tuple[Tensor, Tensor]:
        """Return the first element of each cell, and that after its last: (rois, group) each."""
        begin, end = _cells(first, (last - first).clamp(min=0.1), self.group)
        return begin.floor().clamp(0, limit).long(), end.ceil().clamp(0, limit).long()

    def _sums(self, x: Tensor, image: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """Return a function of rows and columns: the sums up to them, (rois, group, group, dim)."""
        table = F.pad(x.double().cumsum(2).cumsum(3), (1, 0, 1, 0))
        parts = table.view(x.shape[0], self.dim, self.group, self.group, *table.shape[2:])
        grouped = parts.permute(0, 2, 3, 4, 5, 1)
        i = torch.arange(self.group, device=x.device)
        return lambda row, column: grouped[image[:, None, None], i[:, None], i, row, column]
