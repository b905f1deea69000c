"""The loss of YOLO's second version, as two forks have it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bigdl_caffe.nn import darknet
from bigdl_caffe.nn.box_overlap import similarity
from bigdl_caffe.nn.darknet import Truths


@dataclass(frozen=True)
class RegionOptions:
    """The options of RegionLossParameter that count.

    Attributes
    ----------
    classes : int
        Number of classes.
    biases : tuple of float
        Widths and heights of the anchors, in places.
    threshold : float
        Overlap from which on a prediction that is none of the best is not wrong.
    objects, nothing, kinds, boxes : float
        What the parts of the loss are multiplied by: object_scale, noobject_scale,
        class_scale and coord_scale.
    by_anchor : bool
        Whether the anchor most alike a true box predicts it, and not the prediction most alike.
    rescore : bool
        Whether the score learns the overlap, and not 1; otherwise small boxes weigh more.
    """

    classes: int
    biases: tuple[float, ...]
    threshold: float
    objects: float
    nothing: float
    kinds: float
    boxes: float
    by_anchor: bool
    rescore: bool


class RegionLoss(nn.Module):
    """Sum of the squares of what each number is off by (region_loss_layer.cpp of MobileNet-YOLO).

    What a number is off by is also its gradient, over the number of images; so the gradient is
    not the loss's own. Labels are boxes (n, 1, boxes, 5): class, x, y, width, height.
    """

    def __init__(self, options: RegionOptions) -> None:
        super().__init__()
        self.options = options

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar loss of a map (n, anchors * (5 + classes), side, side)."""
        delta = self._deltas(x.detach(), self.truths(labels.detach(), len(x)))
        return darknet.squared_loss(x, delta, self.total(delta))

    @staticmethod
    def truths(labels: Tensor, images: int) -> Truths:
        """Return the true boxes."""
        return darknet.listed_truths(labels, images)

    @staticmethod
    def total(delta: Tensor) -> Tensor:
        """Return the loss."""
        return delta.square().sum() / len(delta)

    @torch.no_grad()
    def _deltas(self, x: Tensor, truths: Truths) -> Tensor:
        """Return (n, anchors, side, side, 5 + classes): what each number is off by."""
        o, side = self.options, x.shape[-1]
        rows = darknet.by_anchor(x, len(o.biases) // 2)
        shift, score = rows[..., :2].sigmoid(), rows[..., 4].sigmoid()
        anchors = darknet.sizes(o.biases, (side, side), x)
        boxes = darknet.decode(shift, rows[..., 2:4], anchors)
        delta = torch.zeros_like(rows, memory_format=torch.contiguous_format)
        wrong = darknet.best_overlap(boxes, truths) <= o.threshold
        delta[..., 4] = wrong * o.nothing * score * score * (1 - score)
        image, number = truths.used.nonzero().unbind(1)
        true, label = truths.box[image, number], truths.label[image, number]
        column, row = darknet.places(true, (side, side)).unbind(1)
        anchor = self._anchor(boxes[image, :, row, column], anchors, true)
        slot = ((image * len(anchors) + anchor) * side + row) * side + column
        last = darknet.lasting(slot, delta[..., 0].numel())
        slot, true, label, anchor = slot[last], true[last], label[last], anchor[last]
        place = torch.stack((column, row), 1)[last]
        found = rows.reshape(-1, rows.shape[-1])[slot]
        overlap = similarity("IOU", boxes.reshape(-1, 4)[slot], true)
        parts = (
            self._box(found, true, true[:, :2] * side - place, true[:, 2:] / anchors[anchor]),
            self._score(found[:, 4].sigmoid(), overlap)[:, None],
            self._kind(found[:, 5:].softmax(1), label),
        )
        delta.view(-1, delta.shape[-1])[slot] = torch.cat(parts, 1)
        return delta

    def _anchor(self, predicted: Tensor, anchors: Tensor, true: Tensor) -> Tensor:
        """Return which anchor each true box falls to, by its size alone."""
        size = anchors.expand(len(true), -1, -1) if self.options.by_anchor else predicted[..., 2:]
        own = torch.cat((torch.zeros_like(size), size), -1)
        wanted = torch.cat((torch.zeros_like(true[:, :2]), true[:, 2:]), 1)
        return similarity("IOU", own, wanted[:, None]).argmax(1)

    def _box(self, found: Tensor, true: Tensor, shift: Tensor, ratio: Tensor) -> Tensor:
        slope = found[:, :2].sigmoid()
        off = self.bounded(torch.cat((shift - slope, ratio.log() - found[:, 2:4]), 1))
        off[:, :2] *= slope * (1 - slope)
        return -off * self.options.boxes * self.weight(true)

    def weight(self, true: Tensor) -> Tensor | float:
        """Return what small boxes weigh more, (boxes, 1)."""
        return 1.0 if self.options.rescore else 2 - true[:, 2:].prod(1, keepdim=True)

    @staticmethod
    def bounded(off: Tensor) -> Tensor:
        """Return what a box is off by, where it counts whole."""
        return off

    def _score(self, score: Tensor, overlap: Tensor) -> Tensor:
        return -self.options.objects * self.short(score, overlap) * score * (1 - score)

    def short(self, score: Tensor, overlap: Tensor) -> Tensor:
        """Return how much the score is short by."""
        return (overlap if self.options.rescore else 1) - score

    def _kind(self, share: Tensor, label: Tensor) -> Tensor:
        hot = torch.arange(self.options.classes, device=label.device) == label[:, None]
        return -self.options.kinds * (hot.to(share.dtype) - share)


class FocalRegionLoss(RegionLoss):
    """The same as Intel's fork computes it (region_loss_layer.cpp of intel/caffe).

    Boxes count as in a smooth L1 loss, scores as in a focal loss, and the sum is not divided by
    the images; its gradient is. Labels are SSD's (1, 1, boxes, 8).
    """

    @staticmethod
    def truths(labels: Tensor, images: int) -> Truths:
        """Return the true boxes."""
        return darknet.annotated_truths(labels, images)

    @staticmethod
    def total(delta: Tensor) -> Tensor:
        """Return the loss."""
        return delta.square().sum()

    def weight(self, true: Tensor) -> float:
        """Return 1: all boxes weigh the same."""
        return 1.0

    @staticmethod
    def bounded(off: Tensor) -> Tensor:
        """Return at most 1 and at least -1."""
        return off.clamp(-1, 1)

    def short(self, score: Tensor, overlap: Tensor) -> Tensor:
        """Return twice the cube of what the score is short of 1 by."""
        return 2 * (1 - score) ** 3
