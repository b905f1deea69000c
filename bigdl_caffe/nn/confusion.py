"""Metrics of which class was taken for which."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from bigdl_caffe.nn.labels import class_labels


def confusion(labels: Tensor, predicted: Tensor, classes: int) -> Tensor:
    """Return (label, prediction) → how often, of two flat lists of classes."""
    return torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, -1)


class SegAccuracy(nn.Module):
    """Share of right labels, mean share a class, mean overlap a class (seg_accuracy_layer.cpp).

    Parameters
    ----------
    classes : int
        How many there are.
    ignore : collection of int
        Labels that count nowhere.
    reset : bool
        Whether to count each forward pass for itself. Otherwise counts go on and on.
    """

    counts: Tensor

    def __init__(self, classes: int, ignore: Collection[int], reset: bool) -> None:
        super().__init__()
        self.classes, self.ignore, self.reset = classes, tuple(ignore), reset
        self.register_buffer("counts", torch.zeros(classes, classes).long(), persistent=False)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return (1, 1, 1, 3) for scores (N, classes, height, width) and a label a place."""
        scores = x.detach().reshape(*x.shape, *[1] * (2 - x.dim()))
        best = self.classes - 1 - scores.flip(1).argmax(1).flatten()  # the last of equal ones
        labels = label.detach().long().flatten()
        kept = torch.ones_like(labels, dtype=torch.bool)
        for ignored in self.ignore:  # isin no label at all is true for some exporters
            kept = kept & (labels != ignored)
        counts = confusion(class_labels(labels[kept], self.classes), best[kept], self.classes)
        if not self.reset:
            self.counts += counts
            counts = self.counts
        return torch.stack(_shares(counts.double())).to(x).reshape(1, 1, 1, 3)


def _shares(counts: Tensor) -> list[Tensor]:
    right, of_label, of_class = counts.diagonal(), counts.sum(1), counts.sum(0)
    union = of_label + of_class - right
    recall = (right / of_label.clamp(min=1)).sum() / (of_label > 0).sum().clamp(min=1)
    overlap = torch.where(right == union, 1, right / union.clamp(min=1))
    return [right.sum() / of_label.sum().clamp(min=1), recall, overlap.mean()]


class ConfusionMatrix(nn.Module):
    """For each label, the share of each prediction (confusion_matrix_layer.cpp).

    A label that does not occur has a row that is not a number; scores up to -1 count as class 0.

    Parameters
    ----------
    axis : int
        Axis of the classes, non-negative.
    """

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return (classes, classes) for scores (..., classes, ...) and a label a place."""
        classes = x.shape[self.axis]
        best = x.detach().clamp(min=-1).argmax(self.axis).flatten()
        counts = confusion(class_labels(label, classes).flatten(), best, classes)
        return counts.to(x) / counts.sum(1, keepdim=True)
