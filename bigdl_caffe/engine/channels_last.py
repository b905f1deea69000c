"""Layers whose quickest form on channels-last tensors is another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.normalization import LRNAcross
from bigdl_caffe.nn.pooling import MaxPool


class QuickLRN(nn.Module):
    """`LRNAcross` by square roots where the power is 3/4, and in as little memory as it can.

    A power takes ten times as long as a root.

    Parameters
    ----------
    exact : LRNAcross
    """

    def __init__(self, exact: LRNAcross) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = exact.size, exact.alpha, exact.beta, exact.k

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, channels, height, width)."""
        channels = x.shape[1]
        squares = x.square()
        total = squares.clone()
        for i in range(1, min(self.size // 2, channels - 1) + 1):
            total[:, i:].add_(squares[:, : channels - i])
            total[:, : channels - i].add_(squares[:, i:])
        total.mul_(self.alpha / self.size).add_(self.k)
        if self.beta != 0.75:
            return total.pow_(-self.beta).mul_(x)
        root = torch.rsqrt(total, out=squares)
        return torch.sqrt(root, out=total).mul_(root).mul_(x)


class QuickMaxPool(nn.Module):
    """`MaxPool` by torch's own kernel where windows overlap and step over places.

    Elsewhere comparing whole rows, then whole columns, is quicker here too.

    Parameters
    ----------
    exact : MaxPool
    """

    def __init__(self, exact: MaxPool) -> None:
        super().__init__()
        self.exact = exact

    def forward(self, x: Tensor) -> Tensor:
        """Pool (n, c, height, width)."""
        w = self.exact.window
        strided = w is not None and all(1 < s < k for s, k in zip(w.stride, w.kernel, strict=True))
        if w is None or not strided or not w.by_torch(x):
            top: Tensor = self.exact(x)
            return top
        return F.max_pool2d(x, w.kernel, w.stride, w.pad, 1, w.ceil)


def _max_pool(module: MaxPool) -> nn.Module:
    return module if module.mask else QuickMaxPool(module)


QUICK: Mapping[type, Callable[..., nn.Module]] = {LRNAcross: QuickLRN, MaxPool: _max_pool}
"""Type of a layer's module → what makes its quicker form."""


def quick(module: Callable[..., Any]) -> Callable[..., Any]:
    """Return a layer's quicker form, or the module itself."""
    make = QUICK.get(type(module))
    return make(module) if make else module
