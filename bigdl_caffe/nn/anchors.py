"""Anchors: the boxes that a region proposal network moves and scales.

Boxes number pixels, so that the width of (x1, y1, x2, y2) is ``x2 - x1 + 1``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def base_anchors(
    size: int, ratios: Sequence[float], scales: Sequence[float], half_up: bool = False
) -> Tensor:
    """Return the anchors around the first place (generate_anchors.py of py-faster-rcnn).

    Parameters
    ----------
    size : int
        Side of the square that all are made from, in pixels.
    ratios, scales : sequence of float
        Heights over widths, and what both are multiplied by; the scales change fastest.
    half_up : bool
        Round halves up, as proposal_layer.cpp does, and not to even numbers, as numpy.

    Returns
    -------
    Tensor
        (ratios * scales, 4) of float64.
    """
    ratio = torch.tensor(ratios, dtype=torch.float64)
    scale = torch.tensor(scales, dtype=torch.float64)
    width = _round((size * size / ratio).sqrt(), half_up)
    sides = torch.stack((width, _round(width * ratio, half_up)), 1)
    half = (sides[:, None] * scale[:, None] - 1).flatten(0, 1) / 2
    center = (size - 1) / 2
    return torch.cat((center - half, center + half), 1)


def _round(x: Tensor, half_up: bool) -> Tensor:
    return (x + 0.5).floor() if half_up else x.round()


def shifted_anchors(anchors: Tensor, size: Sequence[int], stride: int) -> Tensor:
    """Return (height * width * anchors, 4): ``anchors`` at each place, ``stride`` pixels apart.

    The anchors change fastest, then the columns; ``size`` is (height, width).
    """
    rows, columns = (
        torch.arange(n, dtype=anchors.dtype, device=anchors.device) * stride for n in size
    )
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return (torch.stack((x, y, x, y), -1)[:, :, None] + anchors).reshape(-1, 4)


def per_anchor(blob: Tensor, numbers: int) -> Tensor:
    """Return (n, height * width * anchors, numbers) of a blob (n, anchors * numbers, h, w).

    In the order of `shifted_anchors`.
    """
    return blob.permute(0, 2, 3, 1).reshape(len(blob), -1, numbers)
