"""Boxes (xmin, ymin, xmax, ymax): their codes, their overlap, and which of them to keep.

``pixel`` is what a box's width and height count beyond the difference of its corners: 0
where coordinates are shares of the image (SSD), 1 where they number pixels (R-CNN).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

NOWHERE = (torch.inf, torch.inf, -torch.inf, -torch.inf)
"""A box that overlaps none."""
FAR = 1e18
"""Beyond which a coordinate makes no difference, and its square is no number."""
BLOCK = 32  # boxes a problem that one step of `suppress` compares at a time...
GROUP = 32  # ...in so many problems, which caches hold


def sizes(boxes: Tensor, pixel: float = 0.0) -> Tensor:
    """Return (..., 2) widths and heights of ``boxes`` (..., 4)."""
    return boxes[..., 2:] - boxes[..., :2] + pixel


def areas(boxes: Tensor, pixel: float = 0.0) -> Tensor:
    """Return (...) areas of ``boxes`` (..., 4); 0 for a box whose corners are swapped."""
    width, height = sizes(boxes, pixel).clamp(min=0).unbind(-1)
    return width * height


@torch.no_grad()
def iou(a: Tensor, b: Tensor, pixel: float = 0.0) -> Tensor:
    """Return (..., n, m): intersection over union of ``a`` (..., n, 4) and ``b`` (..., m, 4).

    It is 0 where two boxes do not meet, and where neither has an area. No gradient flows.
    """
    one, two = a.unsqueeze(-2).unbind(-1), b.unsqueeze(-3).unbind(-1)
    width = _shared(one[0], one[2], two[0], two[2], pixel)
    both = width.mul_(_shared(one[1], one[3], two[1], two[3], pixel))
    tiny = torch.finfo(both.dtype).tiny  # so that nothing over nothing is nothing
    either = areas(a, pixel).clamp_(min=tiny).unsqueeze(-1) + areas(b, pixel).unsqueeze(-2)
    return both.div_(either.sub_(both))


def _shared(least: Tensor, most: Tensor, other: Tensor, end: Tensor, pixel: float) -> Tensor:
    """Return the length that spans from ``least`` to ``most`` and ``other`` to ``end`` share."""
    length = torch.minimum(most, end).sub_(torch.maximum(least, other))
    return (length.add_(pixel) if pixel else length).clamp_(min=0)


# --- how a network says a box relative to a prior ----------------------------------------


def move_corners(priors: Tensor, offsets: Tensor) -> Tensor:
    """Return the boxes whose corners lie ``offsets`` (..., 4) from those of ``priors``."""
    return priors + offsets


def corner_offsets(priors: Tensor, boxes: Tensor) -> Tensor:
    """Return what `move_corners` needs to make ``boxes`` of ``priors``."""
    return boxes - priors


def move_center(priors: Tensor, offsets: Tensor, pixel: float = 0.0) -> Tensor:
    """Return boxes moved by offsets in units of the priors' size, and scaled by their exponents.

    Parameters
    ----------
    priors, offsets : Tensor
        (..., 4) The offsets are those of the centre, x and y, and then the logarithms of
        width and height over the prior's.
    pixel : float
        See the module.
    """
    size = sizes(priors, pixel)
    center = offsets[..., :2] * size + (priors[..., :2] + size / 2)
    half = offsets[..., 2:].exp() * size / 2
    return torch.cat((center - half, center + half), -1)


def center_offsets(priors: Tensor, boxes: Tensor, pixel: float = 0.0) -> Tensor:
    """Return what `move_center` needs to make ``boxes`` of ``priors``."""
    size, new = sizes(priors, pixel), sizes(boxes, pixel)
    shift = (boxes[..., :2] + new / 2) - (priors[..., :2] + size / 2)
    return torch.cat((shift / size, (new / size).log()), -1)


def move_corners_by_size(priors: Tensor, offsets: Tensor) -> Tensor:
    """Return boxes whose corners lie ``offsets`` times the prior's size from the prior's."""
    return priors + offsets * _twice(sizes(priors))


def corner_offsets_by_size(priors: Tensor, boxes: Tensor) -> Tensor:
    """Return what `move_corners_by_size` needs to make ``boxes`` of ``priors``."""
    return (boxes - priors) / _twice(sizes(priors))


def _twice(pair: Tensor) -> Tensor:
    return torch.cat((pair, pair), -1)


class Code(NamedTuple):
    """One way to say a box relative to a prior, there and back."""

    decode: Callable[[Tensor, Tensor], Tensor]
    encode: Callable[[Tensor, Tensor], Tensor]


CODES: Mapping[str, Code] = {
    "CORNER": Code(move_corners, corner_offsets),
    "CENTER_SIZE": Code(move_center, center_offsets),
    "CORNER_SIZE": Code(move_corners_by_size, corner_offsets_by_size),
}
"""SSD's PriorBoxParameter.CodeType by name, before any variance (bbox_util.cpp)."""


# --- non-maximum suppression --------------------------------------------------------------


def suppress(
    boxes: Tensor,
    valid: Tensor,
    threshold: float,
    *,
    eta: float = 1.0,
    pixel: float = 0.0,
    most: int | None = None,
) -> Tensor:
    """Return which boxes survive non-maximum suppression, for many problems at once.

    A box survives unless it overlaps an earlier survivor of its problem by more than the
    threshold (ApplyNMSFast of SSD's bbox_util.cpp, nms.py of Faster R-CNN). A box depends on
    all before it, so this runs on the CPU whatever the device.

    Parameters
    ----------
    boxes : Tensor
        (problems, n, 4) Best first.
    valid : Tensor
        (problems, n) of bool; False for what only fills a row up.
    threshold : float
        Largest overlap (intersection over union) that two survivors may have.
    eta : float
        What to multiply a problem's threshold by at each survivor while it is beyond 0.5.
    pixel : float
        See the module.
    most : int, optional
        Look no further once every problem has so many survivors; some may have more.

    Returns
    -------
    Tensor
        (problems, n) of bool, on the boxes' device.
    """
    if not valid.numel():
        return valid
    boxes, on_cpu = boxes.detach().cpu(), valid.cpu()
    odd = boxes.isnan().any(-1, keepdim=True)
    boxes = boxes.clamp(-FAR, FAR).where(~odd, boxes.new_tensor(NOWHERE))
    limits = _limits(threshold, eta, boxes.shape[1]).to(boxes.dtype)
    extent = (on_cpu * torch.arange(1, boxes.shape[1] + 1)).amax(1)
    keep = torch.zeros_like(on_cpu)
    for rows in torch.split(extent.argsort(descending=True), GROUP):  # of about the same extent
        k = int(extent[rows[0]])
        keep[rows, :k] = _suppress(boxes[rows, :k], on_cpu[rows, :k], limits, pixel, most)
    return keep.to(valid.device)


def _limits(threshold: float, eta: float, most: int) -> Tensor:
    """Return the threshold after 0, 1, 2... ``most`` survivors, or up to where it stays."""
    limits = [np.float32(threshold)]
    while eta < 1 and limits[-1] > 0.5 and len(limits) <= most:
        limits.append(limits[-1] * np.float32(eta))
    return torch.tensor(np.array(limits))


def _suppress(
    boxes: Tensor, valid: Tensor, limits: Tensor, pixel: float, most: int | None
) -> Tensor:
    """Do `suppress`'s work, a block of boxes after the other, each against all survivors."""
    kept = boxes.new_tensor(NOWHERE).repeat(*boxes.shape[:2], 1)
    count = torch.zeros(len(boxes), dtype=torch.long)
    keep = torch.zeros_like(valid)
    for start in range(0, boxes.shape[1], BLOCK):
        span = slice(start, start + BLOCK)
        block, past = boxes[:, span], kept[:, : int(count.max())]
        worst = iou(past, block, pixel).amax(1) if past.shape[1] else block.new_zeros(())
        over = iou(block, block, pixel).triu_(1)
        keep[:, span] = new = _settle(valid[:, span], worst, over, count, limits)
        row, column = new.nonzero().unbind(1)
        place = count.unsqueeze(1) + new.cumsum(1) - 1
        kept[row, place[row, column]] = block[row, column]
        count += new.sum(1)
        if most is not None and int(count.min()) >= most:
            break
    return keep


def _settle(valid: Tensor, worst: Tensor, over: Tensor, count: Tensor, limits: Tensor) -> Tensor:
    """Return which boxes of a block survive.

    A box depends on those before it only, so that repeating the rule settles them from the
    first on, and all of them in few rounds, as chains of boxes that free each other are short.

    Parameters
    ----------
    valid : Tensor
        (problems, n) of bool.
    worst : Tensor
        (problems, n) Largest overlap with a survivor of earlier blocks.
    over : Tensor
        (problems, n, n) Overlap of two boxes of the block, where the first comes earlier.
    count : Tensor
        (problems,) How many survivors earlier blocks have.
    limits : Tensor
        Of `_limits`.
    """
    keep, settled = valid, False
    index = torch.full_like(valid, -1, dtype=torch.long)
    while not settled:
        before = count.unsqueeze(1) + keep.cumsum(1) - keep.long()
        last, index = index, before.clamp_(max=len(limits) - 1)
        if not torch.equal(index, last):  # at once settled where the threshold stays
            limit = limits[index]
            free, kills = valid & (worst <= limit), (over > limit.unsqueeze(1)).to(over)
        new = free & (torch.bmm(keep.to(over).unsqueeze(1), kills).squeeze(1) == 0)
        keep, settled = new, torch.equal(new, keep)
    return keep
