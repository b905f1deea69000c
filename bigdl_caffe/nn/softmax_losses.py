"""Log losses of a softmax, with Caffe's floors and divisors."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.labels import IGNORED, class_labels
from bigdl_caffe.nn.losses import FLT_MIN, LOG_THRESHOLD, floored, normalizer


class SoftmaxLoss(nn.Module):
    """What losses of a softmax share.

    Parameters
    ----------
    axis : int
        Axis of the classes, non-negative.
    mode : str
        What to divide by: see `bigdl_caffe.nn.losses.normalizer`.
    ignore : int or None
        Label that counts nowhere.
    prob : bool
        Whether to return the softmax as a second top, which has no gradient.

    Attributes
    ----------
    least : float
        The least probability that a logarithm is taken of.
    """

    least: float

    def __init__(self, axis: int, mode: str, ignore: int | None, prob: bool) -> None:
        super().__init__()
        self.axis, self.mode, self.ignore, self.prob = axis, mode, ignore, prob

    def forward(self, x: Tensor, label: Tensor, *more: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the scalar loss of (..., classes, ...), with one label for each place."""
        outer, inner = x.shape[: self.axis].numel(), x.shape[self.axis + 1 :].numel()
        logs = floored(x.log_softmax(self.axis), log(self.least)).reshape(outer, -1, inner)
        labels = self.labels(label, logs.shape[1]).reshape(outer, inner)
        divisor = normalizer(self.mode, outer, inner, (labels != IGNORED).sum())
        loss = self.total(logs, labels, *more) / divisor
        return (loss, x.detach().softmax(self.axis)) if self.prob else loss

    def labels(self, label: Tensor, classes: int) -> Tensor:
        """Return the classes that ``label`` holds, and `IGNORED` for what counts nowhere."""
        return class_labels(label, classes, self.ignore)

    def total(self, logs: Tensor, labels: Tensor, *more: Tensor) -> Tensor:
        """Return the sum of the losses of (outer, classes, inner) with (outer, inner) labels.

        ``more`` is what further bottoms hold.
        """
        raise NotImplementedError


class SoftmaxWithLoss(SoftmaxLoss):
    """Log loss of a softmax (softmax_loss_layer.cpp), with the class weights of SegNet's fork.

    Parameters
    ----------
    axis, mode, ignore, prob
        As of `SoftmaxLoss`.
    weights : sequence of float, optional
        What each class counts for; the divisor does not see it.
    by_frequency : bool
        Whether each label counts one over how many such labels there are instead.
    only : int, optional
        The one label that counts, as in BVLC/caffe#6253; whatever the others are.
    """

    least = FLT_MIN
    weights: Tensor | None

    def __init__(
        self,
        axis: int,
        mode: str,
        ignore: int | None,
        prob: bool,
        weights: Sequence[float] | None = None,
        by_frequency: bool = False,
        only: int | None = None,
    ) -> None:
        super().__init__(axis, mode, ignore, prob)
        self.by_frequency, self.only = by_frequency, only
        held = None if weights is None else torch.tensor(weights, dtype=torch.float32)
        self.register_buffer("weights", held, persistent=False)

    def labels(self, label: Tensor, classes: int) -> Tensor:
        """Return the classes that ``label`` holds, and `IGNORED` for what counts nowhere."""
        if self.only is None:
            return super().labels(label, classes)
        others = label.detach().long() != self.only
        return (
            super()
            .labels(label.masked_fill(others, self.only), classes)
            .masked_fill(others, IGNORED)
        )

    def total(self, logs: Tensor, labels: Tensor, *more: Tensor) -> Tensor:
        """Return the sum of the losses."""
        weights = self.weights
        if self.by_frequency:
            counts = torch.bincount(labels[labels != IGNORED], minlength=logs.shape[1])
            weights = 1 / counts.to(logs)
        return F.nll_loss(logs, labels, weights, ignore_index=IGNORED, reduction="sum")


class InfogainLoss(SoftmaxLoss):
    """Log loss weighted by a row of a matrix for each label (infogain_loss_layer.cpp).

    Parameters
    ----------
    axis, mode, ignore, prob
        As of `SoftmaxLoss`.
    matrix : Tensor, optional
        (classes, classes) in any shape; without it a third bottom holds it.
    """

    least = LOG_THRESHOLD
    matrix: Tensor

    def __init__(
        self, axis: int, mode: str, ignore: int | None, prob: bool, matrix: Tensor | None
    ) -> None:
        super().__init__(axis, mode, ignore, prob)
        self.register_buffer("matrix", matrix, persistent=False)

    def total(self, logs: Tensor, labels: Tensor, *more: Tensor) -> Tensor:
        """Return the sum of the losses; ``more`` is the matrix where it is a bottom."""
        matrix = more[0].detach() if more else self.matrix
        rows = matrix.reshape(logs.shape[1], -1)[labels.clamp(min=0)].movedim(2, 1)
        return -(rows * logs * (labels != IGNORED)[:, None]).sum()
