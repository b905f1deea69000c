"""Batch normalisation of Caffe's forks, which scales and shifts too."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Channels(nn.Module):
    """What the forms of BN share: numbers a channel, absent until someone sets them.

    Parameters
    ----------
    frozen : bool
        Whether ``weight`` and ``bias`` are constants, as ``mean`` and ``variance`` are.

    Attributes
    ----------
    weight, bias, mean, variance : Tensor
        (1, channels, 1, 1).
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, frozen: bool = False) -> None:
        super().__init__()
        for name in ("weight", "bias"):
            (self.register_buffer if frozen else self.register_parameter)(name, None)
        for name in ("mean", "variance"):
            self.register_buffer(name, None)


class Affine(Channels):
    """``x * weight + bias`` (bn_layer.cpp of caffe-segnet, INFERENCE)."""

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift (n, channels, height, width)."""
        return torch.addcmul(self.bias, x, self.weight)


class StoredBN(Channels):
    """``x``, normalised by ``mean`` and ``variance``, times ``weight`` plus ``bias``.

    Parameters
    ----------
    eps : float
        Added to the variance.
    frozen : bool
        Whether ``weight`` and ``bias`` are constants too.
    """

    def __init__(self, eps: float, frozen: bool) -> None:
        super().__init__(frozen)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, channels, ...)."""
        mean, variance = self.mean.flatten(), self.variance.flatten()
        weight, bias = self.weight.flatten(), self.bias.flatten()
        return F.batch_norm(x, mean, variance, weight, bias, eps=self.eps)


class BatchBN(Channels):
    """``x``, normalised by the batch, times ``weight`` plus ``bias``.

    The batch's variance is not corrected for its size.

    Parameters
    ----------
    eps : float
        Added to the variance.
    keep : float or None
        How much of ``mean`` and ``variance`` stays when the batch's own are mixed in; None
        leaves them as they are.
    tops : int
        1, or 2 or 3 for the batch's mean and variance besides.
    """

    def __init__(self, eps: float, keep: float | None, tops: int) -> None:
        super().__init__()
        self.eps, self.keep, self.tops = eps, keep, tops

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Normalise (n, channels, ...)."""
        axes = [0, *range(2, x.dim())]
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        shape = mean.shape
        scale = self.weight.view(shape) * (variance + self.eps).rsqrt()
        top = torch.addcmul(self.bias.view(shape), x - mean, scale)
        found = [tensor.detach().view_as(self.weight) for tensor in (mean, variance)]
        if self.keep is not None:
            for stored, new in zip((self.mean, self.variance), found, strict=True):
                stored.mul_(self.keep).add_(new, alpha=1 - self.keep)
        return top if self.tops == 1 else (top, *found)[: self.tops]
