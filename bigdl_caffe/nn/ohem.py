"""Online hard example mining of R-FCN: losses one by one, and the choice of the largest."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.labels import IGNORED, class_labels
from bigdl_caffe.nn.losses import FLT_MIN, floored, normalizer
from bigdl_caffe.nn.sorting import leading


class SoftmaxWithLossOHEM(nn.Module):
    """Log loss of a softmax, and each place's part in it (softmax_loss_ohem_layer.cu).

    Parameters
    ----------
    axis : int
        Axis of the classes, non-negative.
    mode : str
        What to divide by: see `normalizer`.
    ignore : int or None
        Label that counts nowhere.
    fixed : float
        The divisor of "PRE_FIXED".
    tops : int
        How many tops: the loss, then the softmax, then each place's loss, without gradient.
    """

    def __init__(self, axis: int, mode: str, ignore: int | None, fixed: float, tops: int) -> None:
        super().__init__()
        self.axis, self.mode, self.ignore, self.fixed, self.tops = axis, mode, ignore, fixed, tops

    def forward(self, x: Tensor, label: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the tops for (..., classes, ...), with one label for each place."""
        outer, inner = x.shape[: self.axis].numel(), x.shape[self.axis + 1 :].numel()
        logs = floored(x.log_softmax(self.axis), log(FLT_MIN)).reshape(outer, -1, inner)
        labels = class_labels(label, logs.shape[1], self.ignore).reshape(outer, inner)
        each = F.nll_loss(logs, labels, ignore_index=IGNORED, reduction="none")
        valid = (labels != IGNORED).sum()
        loss = each.sum() / normalizer(self.mode, outer, inner, valid, self.fixed)
        if self.tops == 1:
            return loss
        made = loss, x.detach().softmax(self.axis), each.detach().reshape(label.shape)
        return made[: self.tops]


class BoxAnnotatorOHEM(nn.Module):
    """Labels and weights of the boxes with the largest losses (box_annotator_ohem_layer.cpp).

    Parameters
    ----------
    limit : int
        How many boxes of each image to keep; where losses are equal, those that C++'s sort has
        first.
    ignore : int
        Label of the others.
    """

    def __init__(self, limit: int, ignore: int) -> None:
        super().__init__()
        self.limit, self.ignore = limit, ignore

    def forward(
        self, boxes: Tensor, loss: Tensor, label: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return labels (N, 1, h, w) and weights (N, C, h, w).

        ``boxes`` (N, 5, h, w) begin with the number of their image; ``loss`` and ``label``
        are (N, 1, h, w). Axes of 1 at the end may be left out.
        """
        n, _, height, width = (*boxes.shape, 1, 1)[:4]
        image = boxes[:, 0].detach().long().flatten()
        kept = self._largest(image, loss.detach().flatten()).reshape(n, 1, height, width)
        labels = label.detach().reshape(kept.shape)
        weights = weight.detach().reshape(n, -1, height, width)
        return torch.where(kept, labels, self.ignore), torch.where(kept, weights, 0)

    def _largest(self, image: Tensor, loss: Tensor) -> Tensor:
        """Return which boxes (n,) are among the ``limit`` largest losses of their image."""
        order = leading(loss, len(loss))
        ranked = image[order]
        place = (ranked[:, None] == ranked).tril().sum(1)  # from 1 on, within the box's image
        return torch.empty_like(place).scatter(0, order, place) <= self.limit
