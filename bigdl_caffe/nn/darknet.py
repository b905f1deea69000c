"""What the layers of YOLO share: maps of anchors, boxes by centre and size, and true boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.nn.box_overlap import similarity
from bigdl_caffe.nn.detections import place_in_group
from bigdl_caffe.nn.surrogate import surrogate


def by_anchor(x: Tensor, anchors: int) -> Tensor:
    """Return (n, anchors, height, width, numbers) of a map (n, anchors * numbers, h, w)."""
    n, channels, height, width = x.shape
    return x.reshape(n, anchors, channels // anchors, height, width).permute(0, 1, 3, 4, 2)


def by_channel(rows: Tensor) -> Tensor:
    """Return the map of what `by_anchor` gave."""
    n, anchors, height, width, numbers = rows.shape
    return rows.permute(0, 1, 4, 2, 3).reshape(n, anchors * numbers, height, width)


def decode(shift: Tensor, scale: Tensor, anchors: Tensor) -> Tensor:
    """Return boxes (n, anchors, height, width, 4) by centre and size, as shares of the image.

    Parameters
    ----------
    shift : Tensor
        (n, anchors, height, width, 2) From a place's corner to the centre, x and y, in places.
    scale : Tensor
        (n, anchors, height, width, 2) Logarithms of width and height over the anchor's.
    anchors : Tensor
        (anchors, 2) Width and height, as shares of the image.
    """
    height, width = shift.shape[2:4]
    y, x = torch.meshgrid(
        *(torch.arange(n, device=shift.device, dtype=shift.dtype) for n in (height, width)),
        indexing="ij",
    )
    center = (torch.stack((x, y), -1) + shift) / shift.new_tensor([width, height])
    return torch.cat((center, scale.exp() * anchors[:, None, None]), -1)


def corners(boxes: Tensor) -> Tensor:
    """Return boxes (..., 4) by xmin, ymin, xmax, ymax of boxes by centre and size."""
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat((center - half, center + half), -1)


def sizes(biases: Sequence[float], unit: Sequence[float], like: Tensor) -> Tensor:
    """Return (anchors, 2) widths and heights: ``biases``, in pairs, over ``unit``."""
    return like.new_tensor(biases).reshape(-1, 2) / like.new_tensor(unit)


@dataclass(frozen=True)
class Truths:
    """The true boxes of a batch.

    Attributes
    ----------
    label : Tensor
        (n, most) Classes, from 0 on.
    box : Tensor
        (n, most, 4) By centre and size.
    seen : Tensor
        (n, most) of bool: boxes that a prediction may overlap without being wrong.
    used : Tensor
        (n, most) of bool: boxes that are to be predicted.
    """

    label: Tensor
    box: Tensor
    seen: Tensor
    used: Tensor


def listed_truths(labels: Tensor, images: int) -> Truths:
    """Return the boxes of MobileNet-YOLO's label (n, 1, boxes, 5): class, x, y, width, height.

    The fork's two passes stop at different signs: at a box whose x is 0, and whose width is.
    """
    rows = labels.reshape(images, -1, 5)
    going = (rows[..., [1, 3]] != 0).cumprod(1).bool()
    return Truths(rows[..., 0].trunc(), rows[..., 1:], going[..., 0], going[..., 1])


def annotated_truths(labels: Tensor, images: int) -> Truths:
    """Return the boxes of SSD's label (1, 1, boxes, 8) as Intel's fork reads them.

    A row is image (-1: none), class from 1 on, number, xmin, ymin, xmax, ymax, difficult.
    """
    rows = labels.reshape(-1, 8)
    image = rows[:, 0].long()
    rows, image = rows[(image >= 0) & (image < images)], image[(image >= 0) & (image < images)]
    image, order = image.sort(stable=True)
    rows, counts = rows[order], image.bincount(minlength=images)
    padded = rows.new_zeros(images, int(counts.max()), 8)
    padded[image, place_in_group(image, counts)] = rows
    low, high = padded[..., 3:5], padded[..., 5:7]
    real = torch.arange(padded.shape[1], device=rows.device) < counts[:, None]
    box = torch.cat(((low + high) / 2, high - low), -1)
    return Truths((padded[..., 1] - 1).trunc(), box, real, real)


def places(box: Tensor, size: Sequence[int]) -> Tensor:
    """Return (boxes, 2): the column and row that each centre lies in, on a map of (height, width).

    A centre on the far edge counts for the last one; the fork runs on into the next row there.

    Raises
    ------
    CaffeError
        For a centre before the near edge, or nowhere. The fork writes outside of its map there.
    """
    width_height = torch.tensor([size[1], size[0]], device=box.device)
    inside = box[:, :2] * width_height > -1
    if not bool(inside.all()):
        wrong = box[~inside.all(1)][0].tolist()
        raise CaffeError(
            f"the centre of the true box {wrong} (x, y, width, height) is not in the picture: "
            f"give boxes as shares of it, 0 to 1"
        )
    return torch.minimum(box[:, :2] * width_height, width_height - 1).long()


def lasting(slots: Tensor, total: int) -> Tensor:
    """Return (n) of bool: which of ``slots`` no later one is equal to, all below ``total``."""
    order = torch.arange(len(slots), device=slots.device)
    last = order.new_full((total,), -1).scatter_reduce(0, slots, order, "amax")
    return last[slots] == order


def best_overlap(boxes: Tensor, truths: Truths, kind: str = "IOU") -> Tensor:
    """Return (n, anchors, height, width): each box's largest likeness to a true box, or 0."""
    best = [
        torch.cat((b.new_zeros(len(b), 1), similarity(kind, b[:, None], t[seen])), 1).amax(1)
        for b, t, seen in zip(boxes.flatten(1, 3), truths.box, truths.seen, strict=True)
    ]
    return torch.stack(best).reshape(boxes.shape[:4])


def squared_loss(x: Tensor, delta: Tensor, value: Tensor) -> Tensor:
    """Return ``value`` with the gradient ``delta / images`` to ``x``, as YOLO's losses have it."""
    return surrogate(value, (x * by_channel(delta)).sum() / len(x))
