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

BLOCK = 64  # boxes a problem that one step of `suppress` compares at a time


def sizes(boxes: Tensor, pixel: float = 0.0) -> Tensor:
    """Return (..., 2) widths and heights of ``boxes`` (..., 4)."""
    return boxes[..., 2:] - boxes[..., :2] + pixel


def areas(boxes: Tensor, pixel: float = 0.0) -> Tensor:
    """Return (...) areas of ``boxes`` (..., 4); 0 for a box whose corners are swapped."""
    return sizes(boxes, pixel).clamp(min=0).prod(-1)


@torch.no_grad()
def iou(a: Tensor, b: Tensor, pixel: float = 0.0) -> Tensor:
    """Return (..., n, m): intersection over union of ``a`` (..., n, 4) and ``b`` (..., m, 4).

    It is 0 where two boxes do not meet, and where neither has an area. No gradient flows.
    """
    one, two = a.unsqueeze(-2).unbind(-1), b.unsqueeze(-3).unbind(-1)
    width = (torch.minimum(one[2], two[2]) - torch.maximum(one[0], two[0])).add_(pixel)
    height = (torch.minimum(one[3], two[3]) - torch.maximum(one[1], two[1])).add_(pixel)
    both = width.clamp_(min=0).mul_(height.clamp_(min=0))
    union = (areas(a, pixel).unsqueeze(-1) + areas(b, pixel).unsqueeze(-2)).sub_(both)
    return both.div_(union.clamp_(min=torch.finfo(union.dtype).tiny))


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
    sweep = _Sweep(boxes.detach().cpu(), threshold, eta, pixel)
    on_cpu = valid.cpu()
    keep = torch.zeros_like(on_cpu)
    for start in range(0, boxes.shape[1], BLOCK):
        span = slice(start, start + BLOCK)
        keep[:, span] = sweep.step(sweep.boxes[:, span], on_cpu[:, span])
        if most is not None and int(sweep.count.min()) >= most:
            break
    return keep.to(boxes.device)


class _Sweep:
    """What `suppress` knows of the boxes so far: the survivors, and each problem's threshold."""

    def __init__(self, boxes: Tensor, threshold: float, eta: float, pixel: float) -> None:
        self.boxes, self.eta, self.pixel = boxes, eta, pixel
        self.kept = boxes.new_tensor([torch.inf, torch.inf, -torch.inf, -torch.inf])
        self.kept = self.kept.repeat(*boxes.shape[:2], 1)  # boxes that overlap nothing
        self.count = torch.zeros(len(boxes), dtype=torch.long)
        self.limit = boxes.new_full((len(boxes),), threshold).numpy()

    def step(self, block: Tensor, valid: Tensor) -> Tensor:
        """Return which boxes of ``block`` (problems, n, 4) survive, and remember them."""
        kept = self.kept[:, : int(self.count.max())]
        worst = iou(kept, block, self.pixel).amax(1) if kept.shape[1] else block.new_zeros(())
        worst = worst.expand(valid.shape).contiguous()
        keep = self._within(iou(block, block, self.pixel), worst, valid)
        place = self.count[:, None] + keep.cumsum(1) - 1
        rows = torch.arange(len(block))[:, None].expand_as(place)
        self.kept[rows[keep], place[keep]] = block[keep]
        self.count += keep.sum(1)
        return keep

    def _within(self, overlap: Tensor, worst: Tensor, valid: Tensor) -> Tensor:
        """Go through a block box by box; ``worst`` holds each one's overlap with survivors."""
        keep, over, most = valid.numpy().copy(), overlap.numpy(), worst.numpy()
        for i in range(keep.shape[1]):
            keep[:, i] &= most[:, i] <= self.limit
            later = most[:, i + 1 :]
            np.maximum(later, np.where(keep[:, i, None], over[:, i, i + 1 :], 0), out=later)
            if self.eta < 1:
                self.limit[keep[:, i] & (self.limit > 0.5)] *= self.eta
        return torch.from_numpy(keep)
