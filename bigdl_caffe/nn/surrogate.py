"""Values whose gradient, in Caffe, is that of another expression."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class WholeBatch:
    """Marks losses whose gradient is that of a whole batch: no part of it can be summed up.

    As where what comes from above does not count, or a mean has the gradient of a sum.
    """


def surrogate(value: Tensor, source: Tensor, weighted: bool = True) -> Tensor:
    """Return ``value``, with the gradient of ``source``.

    Parameters
    ----------
    value : Tensor
        What the forward pass shows.
    source : Tensor
        Of the same shape: what the backward pass differentiates.
    weighted : bool
        Whether the gradient from above counts. Some layers of forks never read it, so that
        their loss_weight has no effect: with False a gradient of 1 goes on in its place.
    """
    shown: Tensor = _Surrogate.apply(value.detach(), source, weighted)  # type: ignore[no-untyped-call]  # torch does not type it
    return shown


class _Surrogate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, source: Tensor, weighted: bool) -> Tensor:
        ctx.weighted = weighted
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        return None, gradient if ctx.weighted else torch.ones_like(gradient), None
