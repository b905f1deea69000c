"""Modules that make few numbers of many."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "SUM": lambda rows: rows.sum(-1),
    "ASUM": lambda rows: rows.abs().sum(-1),
    "SUMSQ": lambda rows: rows.square().sum(-1),
    "MEAN": lambda rows: rows.mean(-1),
}


class Reduction(nn.Module):
    """``coefficient *`` a sum or mean over all axes from ``axis`` on (reduction_layer.cpp).

    Parameters
    ----------
    operation : str
        "SUM", "ASUM" (of magnitudes), "SUMSQ" (of squares) or "MEAN".
    axis : int
        First axis that goes, non-negative.
    coefficient : float
        What the result is multiplied by.
    """

    def __init__(self, operation: str, axis: int, coefficient: float) -> None:
        super().__init__()
        self.operation, self.axis, self.coefficient = operation, axis, coefficient

    def forward(self, x: Tensor) -> Tensor:
        """Return (axes before ``axis``...)."""
        top = REDUCTIONS[self.operation](x.flatten(self.axis))
        return top if self.coefficient == 1 else top * self.coefficient


class ArgMax(nn.Module):
    """Places or values of the largest elements, largest first (argmax_layer.cpp).

    Of equal elements the one further on comes first.

    Parameters
    ----------
    k : int
        How many.
    axis : int or None
        Non-negative axis to search along; None searches each row as a whole.
    values : bool
        Along an axis: values in place of places. Without one: both, places first.
    """

    def __init__(self, k: int, axis: int | None, values: bool) -> None:
        super().__init__()
        self.k, self.axis, self.values = k, axis, values

    def forward(self, x: Tensor) -> Tensor:
        """Return the bottom's shape with ``k`` along the axis, or (n, 1 or 2, k, 1...)."""
        if self.axis is not None:
            value, place = _largest(x, self.k, self.axis)
            return value if self.values else place.to(x.dtype)
        value, place = _largest(x.reshape(x.shape[0], -1), self.k, 1)
        parts = [place.to(x.dtype), value] if self.values else [place.to(x.dtype)]
        top = torch.stack(parts, 1)
        return top.reshape(*top.shape, *[1] * (x.dim() - 3))


def _largest(x: Tensor, k: int, axis: int) -> tuple[Tensor, Tensor]:
    """Return the ``k`` largest elements along ``axis`` and their places.

    Turned round, what comes last in Caffe's order of equals comes first in torch's.
    """
    turned = x.flip(axis)
    if k == 1:
        value, place = turned.max(axis, keepdim=True)  # several times as fast as sorting
    else:
        value, place = turned.sort(dim=axis, descending=True, stable=True)
        value, place = value.narrow(axis, 0, k), place.narrow(axis, 0, k)
    return value, x.shape[axis] - 1 - place
