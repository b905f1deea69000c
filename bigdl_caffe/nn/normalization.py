"""Normalisation as Caffe computes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from bigdl_caffe.nn.blobs import Weighted
from bigdl_caffe.nn.gradient import apply


class LRNAcross(nn.Module):
    """Local response normalisation over neighbouring channels (lrn_layer.cpp).

    ``x * (k + alpha / size * sum of squares) ** -beta``; channels beyond the ends are 0.
    """

    def __init__(self, size: int, alpha: float, beta: float, k: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, channels, height, width)."""
        channels = x.shape[1]
        half = min(self.size // 2, channels - 1)  # beyond that there are only zeros
        squares = F.pad(x.square(), (0, 0, 0, 0, half, half))
        total = squares.narrow(1, 0, channels)
        for i in range(1, 2 * half + 1):  # two to three times as fast as any of torch's poolings
            total = total + squares.narrow(1, i, channels)
        return x * (total * (self.alpha / self.size) + self.k) ** -self.beta


class LRNWithin(nn.Module):
    """Local response normalisation over neighbouring places of a channel (lrn_layer.cpp).

    ``x * (1 + alpha * mean of squares) ** -beta``. Caffe does not read ``k`` here.
    """

    def __init__(self, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, channels, height, width)."""
        mean = F.avg_pool2d(x.square(), self.size, 1, self.size // 2)
        return x * (mean * self.alpha + 1) ** -self.beta


class BatchNorm(nn.Module):
    """Batch normalisation over Caffe's three running sums (batch_norm_layer.cpp).

    Parameters
    ----------
    eps : float
        Added to the variance.
    fraction : float
        How much of the sums a forward pass keeps when it adds the batch's own.
    stored : bool
        Normalise by the sums, and leave them; otherwise by the batch, and update
        the sums. The phase decides, so torch's train() and eval() do not.

    Attributes
    ----------
    mean, variance : Tensor
        (channels,) Sums of means and of unbiased variances.
    factor : Tensor
        (1,) What to divide the sums by; 0 makes both 0.
    moments : function, optional
        Returns a batch's mean and variance of each channel, both (channels,), and of how many
        elements they are, where the batch is more than what this process has of it.
    """

    mean: Tensor
    variance: Tensor
    factor: Tensor
    moments: Callable[[Tensor], tuple[Tensor, Tensor, float]] | None = None

    def __init__(self, eps: float, fraction: float, stored: bool) -> None:
        super().__init__()
        self.eps, self.fraction, self.stored = eps, fraction, stored
        for name in ("mean", "variance", "factor"):
            self.register_buffer(name, None)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, channels, ...); a 1-D bottom is one channel."""
        if x.dim() == 1:
            return self.forward(x[:, None])[:, 0]
        return self._by_sums(x) if self.stored else self._by_batch(x)

    def _by_sums(self, x: Tensor) -> Tensor:
        scale = torch.where(self.factor == 0, self.factor, 1 / self.factor)
        return F.batch_norm(x, self.mean * scale, self.variance * scale, eps=self.eps)

    def _by_batch(self, x: Tensor) -> Tensor:
        if self.moments is not None:
            own, spread, count = self.moments(x)
            self._update(own.detach(), spread.detach() * (count / max(1.0, count - 1)))
            like = (-1, *[1] * (x.dim() - 2))  # F.batch_norm would take both for constants
            return (x - own.reshape(like)) * (spread + self.eps).rsqrt().reshape(like)
        mean, variance = torch.zeros_like(self.mean), torch.zeros_like(self.variance)
        if x.numel() == x.shape[1]:  # one element a channel is its own mean, without variance
            self._update(x.detach().flatten(), variance)
            return x - x
        # With momentum 1 torch leaves in its running tensors just what Caffe adds to its sums.
        top = F.batch_norm(x, mean, variance, training=True, momentum=1.0, eps=self.eps)
        self._update(mean, variance)
        return top

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor) -> None:
        self.factor.mul_(self.fraction).add_(1)
        self.mean.mul_(self.fraction).add_(mean)
        self.variance.mul_(self.fraction).add_(variance)


class MVN(nn.Module):
    """Take the mean away, and divide by the deviation (mvn_layer.cpp).

    Parameters
    ----------
    across : bool
        Over all of a row, and not over each of its channels.
    eps : float or None
        Added to the deviation; None does not divide.
    """

    def __init__(self, across: bool, eps: float | None) -> None:
        super().__init__()
        self.across, self.eps = across, eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, channels, height, width), of which the last ones may be missing."""
        x = x.reshape(*x.shape, *[1] * (4 - x.dim()))
        rows = x.flatten(1) if self.across else x.flatten(2)
        centred = rows - rows.mean(-1, keepdim=True)
        top: Tensor = centred if self.eps is None else apply(_Divide, centred, self.eps)
        return top.reshape(x.shape)


class _Divide(torch.autograd.Function):
    """Divide rows of mean 0 by ``deviation + eps``.

    Caffe's gradient has ``deviation + eps`` also where the chain rule has the deviation
    alone, which may be 0.
    """

    @staticmethod
    def forward(ctx: Any, centred: Tensor, eps: float) -> Tensor:
        divisor = centred.square().mean(-1, keepdim=True).sqrt() + eps
        top = centred / divisor
        ctx.save_for_backward(top, divisor)
        return top

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, diff: Tensor) -> tuple[Tensor, None]:
        top, divisor = ctx.saved_tensors
        return (diff - top * (top * diff).mean(-1, keepdim=True)) / divisor, None


def spread(blob: Tensor, x: Tensor, axis: int) -> Tensor:
    """Return ``blob`` shaped to broadcast over ``x`` from its axis ``axis`` on."""
    return blob.reshape((*blob.shape, *[1] * (x.dim() - axis - blob.dim())))


class Scale(Weighted):
    """Multiply along some axes, then add where there is a bias (scale_layer.cpp).

    Parameters
    ----------
    axis : int
        Axis of the bottom that the factors' first axis goes with, non-negative.
    """

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor, factor: Tensor | None = None) -> Tensor:
        """Scale ``x`` by ``factor``, or else by the weight."""
        scale = spread(self.weight if factor is None else factor, x, self.axis)
        if self.bias is None:
            return x * scale
        return torch.addcmul(spread(self.bias, x, self.axis), x, scale)


class Bias(Weighted):
    """Add along some axes (bias_layer.cpp).

    Parameters
    ----------
    axis : int
        Axis of the bottom that the addends' first axis goes with, non-negative.
    """

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor, addend: Tensor | None = None) -> Tensor:
        """Add ``addend``, or else the bias, to ``x``."""
        blob = self.bias if addend is None else addend
        assert blob is not None  # the runner has set one where there is no second bottom
        return x + spread(blob, x, self.axis)
