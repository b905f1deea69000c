"""How alike two boxes by centre and size are, and which way makes them more alike.

The measures and their gradients are those of MobileNet-YOLO's bbox_util.cpp and
yolov3_layer.cpp, which follow darknet's; the gradients are not quite the measures' own.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor


def similarity(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """Return (...) how alike ``a`` and ``b`` (..., 4) are, which broadcast with each other.

    Parameters
    ----------
    kind : str
        "GIOU", "DIOU", "CIOU"; with any other name, intersection over union.
    a, b : Tensor
        Prediction and truth.
    """
    low, high, outer = _extents(a, b)
    inner = high - low
    both = torch.where((inner < 0).any(-1), 0, inner.prod(-1))
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - both
    iou = torch.where(union > 0, both / union, 0)
    if kind == "GIOU":
        around = outer.prod(-1)
        return iou - torch.where(around == 0, 0, (around - union) / around)
    if kind not in ("DIOU", "CIOU"):
        return iou
    around = outer.square().sum(-1)
    apart = (a[..., :2] - b[..., :2]).square().sum(-1) / around
    term = apart**0.6 if kind == "DIOU" else apart + _shape_term(a, b, iou)
    return iou - torch.where(around == 0, 0, term)


def _extents(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return where the boxes' common part begins and ends, and the size of what holds both."""
    (low_a, high_a), (low_b, high_b) = _ends(a), _ends(b)
    outer = torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)
    return torch.maximum(low_a, low_b), torch.minimum(high_a, high_b), outer


def _ends(box: Tensor) -> tuple[Tensor, Tensor]:
    return box[..., :2] - box[..., 2:] / 2, box[..., :2] + box[..., 2:] / 2


def _angle(a: Tensor, b: Tensor) -> Tensor:
    """Return by how much the truth's diagonal is flatter than the prediction's."""
    return (b[..., 2] / b[..., 3]).atan() - (a[..., 2] / a[..., 3]).atan()


def _shape_term(a: Tensor, b: Tensor, iou: Tensor) -> Tensor:
    shape = 4 / pi**2 * _angle(a, b).square()
    return shape * shape / (1 - iou + shape + 1e-6)


def improvement(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """Return (n, 4): how to move and scale predictions ``a`` (n, 4) towards the truths ``b``.

    That is dx_box_iou of yolov3_layer.cpp: the gradient to centre and size, where the size's is
    not halved, the distance's term grows with the size, and the intersection of boxes that do
    not meet is the product of two negative sides.
    """
    (low, high), (low_b, high_b) = _ends(a), _ends(b)
    first, last, outer = _extents(a, b)
    inner, side = last - first, high - low
    both = inner.prod(-1, keepdim=True)
    union = side.prod(-1, keepdim=True) + (high_b - low_b).prod(-1, keepdim=True) - both
    across = torch.stack((-side.flip(-1), side.flip(-1)))  # what an end's move adds to the area
    shared = torch.stack((low > low_b, high < high_b)) * _signed(inner.flip(-1))
    less = across - shared
    ends = torch.where(union > 0, (union * shared - both * less) / union.square(), 0)
    apart = (inner <= 0).any(-1, keepdim=True)
    if kind == "GIOU":
        around = outer.prod(-1, keepdim=True)
        wider = torch.stack((low < low_b, high > high_b)) * _signed(outer.flip(-1))
        ends = _joined(ends, (around * less - union * wider) / around.square(), around, apart)
    towards = torch.cat((ends[0] + ends[1], ends[1] - ends[0]), -1)
    if kind not in ("DIOU", "CIOU"):
        return towards
    around = outer.square().sum(-1, keepdim=True)
    out = torch.stack((low < low_b, high > high_b)).to(a.dtype)
    towards = _joined(towards, _nearer(a, b, outer, around, out), around, apart)
    if kind == "CIOU":
        towards[:, 2:] += _reshaped(a, b, (both / union)[:, 0])
    return towards


def _signed(side: Tensor) -> Tensor:
    """Return what the moves of the two ends of a box add to a product with ``side``."""
    return torch.stack((-side, side))


def _joined(old: Tensor, term: Tensor, around: Tensor, apart: Tensor) -> Tensor:
    """Return ``old`` with ``term`` added, or in its place for boxes that are ``apart``."""
    return torch.where(apart, term, old + torch.where(around > 0, term, 0))


def _nearer(a: Tensor, b: Tensor, outer: Tensor, around: Tensor, out: Tensor) -> Tensor:
    """Return the gradient of the distance of two centres over the diagonal around both."""
    between = b[:, :2] - a[:, :2]
    apart = between.square().sum(-1, keepdim=True)
    center = (2 * between * around - 2 * outer * (out[1] - out[0]) * apart) / around.square()
    size = outer * (out[0] + out[1]) * apart / around.square()
    return torch.cat((center, size), -1)


def _reshaped(a: Tensor, b: Tensor, iou: Tensor) -> Tensor:
    """Return the gradient of CIOU's term of shapes to width and height."""
    angle = _angle(a, b)
    shape = 4 / pi**2 * angle.square()
    factor = shape / (1 - iou + shape + 1e-6) * 8 / pi**2 * angle
    return factor[:, None] * torch.stack((a[:, 3], -a[:, 2]), -1)
