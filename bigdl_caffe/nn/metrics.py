"""Metrics: what is counted, and has no gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bigdl_caffe.nn.labels import IGNORED, class_labels
from bigdl_caffe.nn.losses import tell


class Accuracy(nn.Module):
    """Share of labels among the top k; equal scores count against them (accuracy_layer.cpp).

    Parameters
    ----------
    axis : int
        Axis of the classes, non-negative.
    top_k : int
        How many classes may score as high as the label.
    ignore : int or None
        Label that counts nowhere.
    per_class : bool
        Whether to return each class's own share as a second top.
    """

    def __init__(self, axis: int, top_k: int, ignore: int | None, per_class: bool) -> None:
        super().__init__()
        self.axis, self.top_k, self.ignore, self.per_class = axis, top_k, ignore, per_class

    def forward(self, x: Tensor, label: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the share, and (classes,) shares; 0 where there is no label."""
        outer, inner = x.shape[: self.axis].numel(), x.shape[self.axis + 1 :].numel()
        scores = x.detach().reshape(outer, -1, inner)
        labels = class_labels(label, scores.shape[1], self.ignore).reshape(outer, 1, inner)
        own = scores.gather(1, labels.clamp(min=0))
        right = (scores >= own).sum(1, keepdim=True) <= self.top_k
        counted = labels != IGNORED
        tell(counted.sum())
        share = _share((right & counted).sum(), counted.sum(), x)
        if not self.per_class:
            return share
        rights, counts = (
            torch.bincount(labels[which], minlength=scores.shape[1])
            for which in (right & counted, counted)
        )
        return share, _share(rights, counts, x)


def _share(part: Tensor, whole: Tensor, like: Tensor) -> Tensor:
    return part.to(like) / whole.clamp(min=1)
