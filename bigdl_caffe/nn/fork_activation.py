"""Element-wise functions of forks, some of them random while training.

The phase decides whether they are, so torch's train() and eval() do not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SeLu(nn.Module):
    """``lambda * x`` above 0, else ``lambda * alpha * (exp(x) - 1)`` (selu_layer.cpp)."""

    def __init__(self, alpha: float, scale: float) -> None:
        super().__init__()
        self.alpha, self.scale = alpha, scale

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return F.elu(x, self.alpha) * self.scale


class SeLuDropout(nn.Module):
    """Elements set to ``alpha`` at random; mean and variance kept (selu_dropout_layer.cpp, TRAIN).

    Parameters
    ----------
    ratio : float
        Probability of ``alpha``, in (0, 1).
    alpha : float
        What the dropped elements become before scale and shift.
    """

    def __init__(self, ratio: float, alpha: float) -> None:
        super().__init__()
        self.ratio, self.alpha = ratio, alpha
        kept = 1 - ratio
        self.scale = float((kept * (1 + alpha * alpha * ratio)) ** -0.5)
        self.shift = -self.scale * ratio * alpha

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        dropped = torch.rand_like(x) < self.ratio
        return x.masked_fill(dropped, self.alpha) * self.scale + self.shift


class ChannelDropout(nn.Module):
    """Whole channels zeroed at random, the others divided by ``1 - p`` (spatial_dropout.py)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape (n, c, ...)."""
        return F.dropout2d(x, self.p, training=True)


class RandomLeakyReLU(nn.Module):
    """``x`` above 0, else ``x / slope``, each slope drawn from [low, high) (insanity_layer.cpp)."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        slopes = torch.empty_like(x).uniform_(self.low, self.high)
        return torch.where(x > 0, x, x / slopes)


class TopK(nn.Module):
    """The ``k`` largest elements of each row, zeros elsewhere (topk_layer.cpp)."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape (n, ...)."""
        rows = x.flatten(1)
        most, places = rows.topk(self.k)
        return torch.zeros_like(rows).scatter(1, places, most).view_as(x)
