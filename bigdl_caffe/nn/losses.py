"""Losses with Caffe's floors, divisors and gradients.

Each returns its loss unweighted: loss_weight is the gradient that arrives from above.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.labels import class_labels

FLT_MIN = torch.finfo(torch.float32).tiny
"""The least probability that SoftmaxWithLoss takes a logarithm of, in double precision too."""
LOG_THRESHOLD = 1e-20
"""kLOG_THRESHOLD of loss_layer.hpp: the same of other losses."""


Count = Tensor | float | None
"""How many terms a loss is the mean of; None where it is no mean."""

_listening: list[list[Count]] = []  # no ContextVar: torch.compile does not follow those


@contextmanager
def counts() -> Iterator[list[Count]]:
    """Give a list of what losses and metrics count in the forward passes within.

    Who runs a part of a batch needs it, to know which part of the whole mean a loss is.
    """
    found: list[Count] = []
    _listening.append(found)
    try:
        yield found
    finally:
        _listening.pop()


def tell(count: Count) -> None:
    """Say what is counted to whom it concerns."""
    if _listening:
        _listening[-1].append(count)


def normalizer(
    mode: str, outer: int, inner: int, valid: Tensor | None = None, fixed: float = 1.0
) -> Tensor | float:
    """Return what a loss is divided by, at least 1 (get_normalizer of softmax_loss_layer.cpp).

    Parameters
    ----------
    mode : str
        A name of LossParameter.NormalizationMode: "FULL", "VALID", "BATCH_SIZE", "NONE",
        or the forks' "PRE_FIXED".
    outer, inner : int
        How many elements the bottom has before and behind the axis of the classes.
    valid : Tensor, optional
        Scalar: how many labels count. Without it all of ``outer * inner`` do.
    fixed : float
        The divisor of "PRE_FIXED".
    """
    full = outer * inner
    sizes = {"FULL": full, "VALID": full, "BATCH_SIZE": outer, "NONE": 1, "PRE_FIXED": fixed}
    no_mean = mode in ("NONE", "PRE_FIXED")
    count = valid if mode == "VALID" and valid is not None else float(sizes[mode])
    tell(None if no_mean else count)
    return count.clamp(min=1) if isinstance(count, Tensor) else max(1.0, count)


class _Floor(torch.autograd.Function):
    """``x``, at least ``least``; its gradient is ``x``'s own also where it was raised."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, least: float) -> Tensor:
        return x.clamp(min=least)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def floored(x: Tensor, least: float) -> Tensor:
    """Return ``x``, at least ``least``, with the gradient of ``x`` everywhere.

    So do Caffe's losses with their logarithms: only the loss knows the floor.
    """
    raised: Tensor = _Floor.apply(x, least)  # type: ignore[no-untyped-call]  # torch does not type it
    return raised


class EuclideanLoss(nn.Module):
    """Half the squared distance a row (euclidean_loss_layer.cpp)."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss of (N, ...) and a target of as many elements a row."""
        return (x - target.reshape(x.shape)).square().sum() / (2 * len(x))


class HingeLoss(nn.Module):
    """One-against-all hinge loss (hinge_loss_layer.cpp).

    Parameters
    ----------
    squared : bool
        Whether to sum the squares of the margins: norm L2.
    """

    def __init__(self, squared: bool) -> None:
        super().__init__()
        self.squared = squared

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return the scalar loss of (N, ...) with a label a row."""
        flat = x.reshape(len(x), -1)
        labels = class_labels(label, flat.shape[1]).reshape(-1, 1)
        margins = (flat * torch.ones_like(flat).scatter(1, labels, -1) + 1).relu()
        return (margins.square() if self.squared else margins).sum() / len(x)


class MultinomialLogisticLoss(nn.Module):
    """Log loss of given probabilities (multinomial_logistic_loss_layer.cpp)."""

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return the scalar loss of (N, ...) with a label a row."""
        flat = x.reshape(len(x), -1)
        labels = class_labels(label, flat.shape[1]).reshape(-1, 1)
        return -floored(flat.gather(1, labels), LOG_THRESHOLD).log().sum() / len(x)


class SigmoidCrossEntropyLoss(nn.Module):
    """Cross entropy of a sigmoid (sigmoid_cross_entropy_loss_layer.cpp).

    Parameters
    ----------
    mode : str
        What to divide by: see `normalizer`.
    ignore : int or None
        Target that counts nowhere; targets are cut to whole numbers for this only.
    """

    def __init__(self, mode: str, ignore: int | None) -> None:
        super().__init__()
        self.mode, self.ignore = mode, ignore

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss of (N, ...) and as many targets from 0 to 1."""
        target = target.detach().reshape(x.shape)
        ignored = (
            torch.zeros_like(x).bool() if self.ignore is None else target.long() == self.ignore
        )
        counted = ~ignored
        loss = F.binary_cross_entropy_with_logits(x, target, counted.to(x), reduction="sum")
        return loss / normalizer(self.mode, len(x), x.shape[1:].numel(), counted.sum())


class _Distance(torch.autograd.Function):
    """Square root whose slope Caffe keeps finite: the root is taken 1e-4 larger there."""

    @staticmethod
    def forward(ctx: Any, square: Tensor) -> Tensor:
        root = square.sqrt()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        root: Tensor = ctx.saved_tensors[0]
        return gradient / (2 * (root + 1e-4))


class ContrastiveLoss(nn.Module):
    """Loss of alike and unlike pairs, with the CPU's gradients (contrastive_loss_layer.cpp).

    Parameters
    ----------
    margin : float
        How far apart unlike pairs should be.
    legacy : bool
        Whether ``margin`` is held against the squared distance, as before 2015.
    """

    def __init__(self, margin: float, legacy: bool) -> None:
        super().__init__()
        self.margin, self.legacy = margin, legacy

    def forward(self, a: Tensor, b: Tensor, label: Tensor, other: Tensor | None = None) -> Tensor:
        """Return the scalar loss of two times (N, channels).

        Pairs are alike where ``label`` is not 0, or where there is ``other``, equal to it.
        """
        square = (a - b.reshape(a.shape)).reshape(len(a), -1).square().sum(1)
        if self.legacy:
            unlike = (self.margin - square).relu()
        else:
            root: Tensor = _Distance.apply(square)  # type: ignore[no-untyped-call]  # torch does not type it
            unlike = (self.margin - root).relu().square()
        whole = label.flatten().long()
        alike = whole != 0 if other is None else whole == other.flatten().long()
        return torch.where(alike, square, unlike).sum() / (2 * len(a))
