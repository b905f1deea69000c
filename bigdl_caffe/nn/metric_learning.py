"""Losses of features: how near they lie to each other, to centres and to codes."""

from __future__ import annotations

from math import log
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.blobs import Weighted
from bigdl_caffe.nn.labels import class_labels
from bigdl_caffe.nn.surrogate import surrogate


class CenterLoss(Weighted):
    """Half the squared distance a row to the learned centre of its label (center_loss_layer.cpp).

    Attributes
    ----------
    weight : Tensor
        (classes, features) The centres.
    """

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return the scalar loss of (N, ...) with a label a row."""
        labels = class_labels(label, len(self.weight)).flatten()
        centres: Tensor = _Centres.apply(self.weight, labels, x.detach().flatten(1))  # type: ignore[no-untyped-call]  # torch does not type it
        return (x.flatten(1) - centres).square().sum() / (2 * len(x))


class _Centres(torch.autograd.Function):
    """The centre of each label, with the fork's own rule for how centres move.

    Each goes to the mean of its features and itself, whatever weight the loss has.
    """

    @staticmethod
    def forward(ctx: Any, centres: Tensor, labels: Tensor, x: Tensor) -> Tensor:
        made = centres[labels]
        ctx.save_for_backward(labels, made - x)
        ctx.classes = len(centres)
        return made

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        labels, distances = ctx.saved_tensors
        sums = distances.new_zeros(ctx.classes, distances.shape[1]).index_add_(0, labels, distances)
        counts = labels.bincount(minlength=ctx.classes)
        return sums / (counts[:, None] + 1), None, None


class TripletLoss(nn.Module):
    """Loss of sets of a sample, one alike and some unlike (triplet_loss_layer.cpp).

    Parameters
    ----------
    unlike : int
        How many samples of each set differ from its first one.
    margin : float
        By how much they should be farther away than the one alike.
    ratio : bool
        Whether to compare distances by their ratio, not by their difference.
    """

    def __init__(self, unlike: int, margin: float, ratio: bool) -> None:
        super().__init__()
        self.unlike, self.margin, self.ratio = unlike, margin, ratio

    def forward(self, x: Tensor, similarity: Tensor) -> Tensor:
        """Return the scalar loss of (sets * (2 + unlike), ...); ``similarity`` is not read."""
        sets = x.reshape(-1, 2 + self.unlike, x[0].numel())
        squares = (sets[:, :1] - sets[:, 1:]).square().sum(2)
        alike, unlike = squares[:, :1], squares[:, 1:]
        farther = alike + self.margin
        excess = 1 - unlike / farther if self.ratio else farther - unlike
        return (alike.sum() + excess.relu().sum()) / (2 * len(sets))


class PairwiseLoss(nn.Module):
    """Log loss of whether two rows have a label in common (pairwise_loss_layer.cu).

    Parameters
    ----------
    threshold : float
        From which product of two rows on the loss is taken to be linear; negative for none.
        The gradient does not know of it.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return the scalar loss of (N, ...) with labels (N, ...), one or many 0 or 1."""
        flat, labels = (b.reshape(len(x), -1) for b in (x, label.detach()))
        alike = labels @ labels.T > 0
        product = flat @ flat.T
        exact = product.exp().log1p() - alike * product
        if self.threshold >= 0:
            exact = torch.where(product >= self.threshold, product * ~alike, exact)
        return surrogate(exact.mean(), (F.softplus(product) - alike * product).mean())


class QuantizationLoss(nn.Module):
    """How far features are from -1 and 1, by the logarithm of cosh (quantization_loss_layer.cu).

    The value is a mean over all elements; the gradient is that of the sum over a row, meant
    over the rows.

    Parameters
    ----------
    threshold : float
        From which distance on the loss is taken to be linear; 0 or negative for none.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        """Return the scalar loss of (N, ...)."""
        distance = x * torch.where(x >= 0, 1, -1) - 1
        exact = distance.cosh().log()
        if self.threshold > 0:
            exact = torch.where(distance > self.threshold, distance - log(2), exact)
        slope = distance + F.softplus(-2 * distance)  # the same but for a constant, and finite
        return surrogate(exact.abs().mean(), slope.sum() / (len(x) if x.dim() else 1))


class XCovLoss(nn.Module):
    """Half the squared cross-covariances of two blobs over the batch (xcov_loss_layer.cpp)."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return (1, 1, 1, 1) for two times (N, ...)."""
        a, b = (x.reshape(len(x), -1) for x in (a, b))
        a, b = a - a.mean(0), b - b.mean(0)
        return ((a.T @ b / len(a)).square().sum() / 2).reshape(1, 1, 1, 1)
