"""Which predictions of YOLO's second version are right (eval_detection_layer.cpp)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bigdl_caffe.nn import darknet
from bigdl_caffe.nn.box_overlap import similarity
from bigdl_caffe.nn.yolo_detections import best_class, survivors

LEAST = 0.005
"""The score below which a prediction is not counted, darknet's own."""


class EvalDetection(nn.Module):
    """Count true boxes of each class, and mark predictions as right or wrong.

    Parameters
    ----------
    classes : int
        Number of classes.
    biases : list of float
        Widths and heights of the anchors, in places.
    threshold : float
        Overlap with a true box of its class from which on a prediction is right.
    suppression : float
        Overlap with a better prediction at which one falls away. Below 0, the fork keeps none
        at all.
    score : str
        "OBJ", "PROB" or "MULTIPLY"; see `bigdl_caffe.nn.yolo_detections.best_class`.
    """

    def __init__(
        self, classes: int, biases: list[float], threshold: float, suppression: float, score: str
    ) -> None:
        super().__init__()
        self.classes, self.biases, self.threshold = classes, biases, threshold
        self.suppression, self.score = suppression, score

    @torch.no_grad()
    def forward(self, x: Tensor, labels: Tensor, *_: Tensor) -> Tensor:
        """Return (n, classes + 4 * predictions).

        First how many true boxes there are of each class; then rows of class, score, right and
        wrong, by class and falling score, and zeros. A prediction that overlaps its class's
        boxes too little is neither; where there is no such box, it is wrong.

        Parameters
        ----------
        x : Tensor
            (n, anchors * (5 + classes), side, side)
        labels : Tensor
            (1, 1, boxes, 8) as SSD's.
        """
        anchors = darknet.sizes(self.biases, (1, 1), x)
        predicted = best_class(x, anchors, self.classes, self.score)
        truths = darknet.annotated_truths(labels, len(x))
        top = x.new_zeros(len(x), self.classes + 4 * predicted[0].shape[1])
        for i, (score, label, boxes) in enumerate(zip(*predicted, strict=True)):
            real = truths.used[i]
            true = truths.label[i][real].long(), truths.box[i][real]
            top[i, : self.classes] = _counted(true[0], self.classes)
            if self.suppression >= 0:
                keep = survivors(score, boxes, self.suppression)
                keep = keep[score[keep] >= LEAST]
                keep = keep[label[keep].argsort(stable=True)]
                marks = self._marks(label[keep], boxes[keep], *true)
                rows = torch.stack((label[keep].to(score), score[keep], *marks), 1)
                top[i, self.classes : self.classes + rows.numel()] = rows.flatten()
        return top

    def _marks(
        self, label: Tensor, boxes: Tensor, true_label: Tensor, true: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return which predictions, best first, are right, and which are wrong."""
        if not len(true):
            return boxes.new_zeros(len(boxes)), boxes.new_ones(len(boxes))
        own = label[:, None] == true_label
        most, which = similarity("IOU", boxes[:, None], true).masked_fill(~own, -1).max(1)
        meets = (most >= self.threshold) & own.any(1)
        order = torch.arange(len(label), device=label.device)
        none = order.new_full((len(true),), len(label))
        first = none.scatter_reduce(0, which[meets], order[meets], "amin")
        right = meets & (first[which] == order)
        wrong = (meets & ~right) | ~own.any(1)
        return right.to(boxes.dtype), wrong.to(boxes.dtype)


def _counted(label: Tensor, classes: int) -> Tensor:
    """Return (classes): how many of ``label`` (boxes) are of each class, others left out."""
    return label[(label >= 0) & (label < classes)].bincount(minlength=classes)
