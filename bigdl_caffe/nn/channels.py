"""Layers of forks that scale or reorder channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Axpy(nn.Module):
    """``scale * x + y``, a scale a channel of each row (axpy_layer.cpp of SENet)."""

    def forward(self, scale: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return a tensor like ``x`` (n, c, ...) for ``scale`` (n, c) or (n, c, 1, 1)."""
        return torch.addcmul(y, scale.reshape(*x.shape[:2], *[1] * (x.dim() - 2)), x)


class ShuffleChannel(nn.Module):
    """The first channel of each group, then the second of each ... (shuffle_channel_layer.cpp).

    Parameters
    ----------
    group : int
        Number of groups, which divides the channels.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """Reorder (n, c, ...)."""
        n, c = x.shape[:2]
        groups = x.reshape(n, self.group, c // self.group, *x.shape[2:])
        return groups.transpose(1, 2).reshape(x.shape)
