"""Losses of forks that hold numbers against numbers."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor, nn

from bigdl_caffe.nn.losses import normalizer
from bigdl_caffe.nn.surrogate import surrogate


class SmoothL1Loss(nn.Module):
    """Huber loss a row, with weights inside and outside of it (smooth_L1_loss_layer.cpp).

    Parameters
    ----------
    sigma : float
        The error is squared below ``1 / sigma ** 2``.
    summed : bool
        Whether not to divide by the number of rows.
    """

    def __init__(self, sigma: float, summed: bool = False) -> None:
        super().__init__()
        self.sigma, self.summed = sigma, summed

    def forward(self, x: Tensor, target: Tensor, *weights: Tensor) -> Tensor:
        """Return the scalar loss of (N, ...); ``weights`` are none, or inside and outside."""
        difference = x - target.reshape(x.shape)
        if not weights:
            return huber(difference, self.sigma).sum() / self._rows(x)
        inside, outside = (w.detach().reshape(x.shape) for w in weights)
        return (outside * huber(inside * difference, self.sigma)).sum() / self._rows(x)

    def _rows(self, x: Tensor) -> int:
        return 1 if self.summed else len(x)


class SmoothL1LossOHEM(nn.Module):
    """Huber loss, and what each place adds to it (smooth_L1_loss_ohem_layer.cpp of R-FCN).

    Parameters
    ----------
    mode : str
        What to divide by: see `normalizer`.
    fixed : float
        The divisor of "PRE_FIXED".
    each : bool
        Whether to return each place's loss as a second top, which has no gradient.
    """

    def __init__(self, mode: str, fixed: float, each: bool) -> None:
        super().__init__()
        self.mode, self.fixed, self.each = mode, fixed, each

    def forward(
        self, x: Tensor, target: Tensor, weight: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return the scalar loss of (N, C, ...), and the places' (N, 1, height, width)."""
        difference = x - target.reshape(x.shape)
        if weight is not None:  # which the fork's backward pass leaves out
            difference = surrogate(difference * weight.reshape(x.shape), difference)
        errors = huber(difference).reshape((*x.shape, 1, 1, 1)[:4])
        inner = errors.shape[2:].numel()
        loss = errors.sum() / normalizer(self.mode, len(x), inner, fixed=self.fixed)
        return (loss, errors.detach().sum(1, keepdim=True)) if self.each else loss


def huber(x: Tensor, sigma: float = 1.0) -> Tensor:
    """Return ``x`` squared where it is small, else its absolute value, joined at 1 / sigma²."""
    scale = sigma * sigma
    joint = 1 / scale if scale else inf  # as C divides
    return torch.where(x.abs() < joint, 0.5 * scale * x * x, x.abs() - 0.5 * joint)


class L1Loss(nn.Module):
    """Sum of absolute errors, or of each place's distance (l1loss_layer.cu of FlowNet2).

    Errors that are not a number count nowhere.

    Parameters
    ----------
    distance : bool
        Whether to take the root of the channels' summed squares at each place.
    epsilon : float
        What is added below that root.
    averaged : bool
        Whether the squares are divided by the number of channels.
    by_entries : bool
        Whether to divide by the number of places that count, not of rows.
    plateau : float
        Errors and distances below it count as 0; 0 for none.
    """

    def __init__(
        self, distance: bool, epsilon: float, averaged: bool, by_entries: bool, plateau: float
    ) -> None:
        super().__init__()
        self.distance, self.epsilon, self.averaged = distance, epsilon, averaged
        self.by_entries, self.plateau = by_entries, plateau

    def forward(self, x: Tensor, target: Tensor | None = None) -> Tensor:
        """Return the scalar loss of (N, C, ...), or of its difference to ``target``."""
        difference = x if target is None else x - target
        known = ~difference.isnan()
        number = known.sum() / x.shape[1] if self.by_entries else len(x)
        errors = torch.where(known, difference, 0)
        return (self._distances(errors) if self.distance else self._sizes(errors)).sum() / number

    def _sizes(self, errors: Tensor) -> Tensor:
        """Return absolute errors; the slope at an error of 0 is -1, as ComputeSign has it."""
        kept = errors.detach().abs() >= self.plateau if self.plateau > 0 else 1
        return errors * torch.where(errors > 0, 1, -1) * kept

    def _distances(self, errors: Tensor) -> Tensor:
        squares = errors.square().sum(1) * (1 / errors.shape[1] if self.averaged else 1)
        if self.plateau > 0:
            squares = torch.where(squares.abs() < self.plateau**2, 0, squares)
        return (squares + self.epsilon).sqrt()


class SVRLoss(nn.Module):
    """Sum of absolute errors a row; the second bottom gets no gradient (svr_loss_layer.cpp)."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss of (N, ...)."""
        return (x - target.detach().reshape(x.shape)).abs().sum() / len(x)


class AccuracyRegression(nn.Module):
    """Half the absolute errors a row (accuracy_regression_layer.cpp)."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Return (1, 1, 1, 1) for (N, ...)."""
        return ((x - target.reshape(x.shape)).abs().sum() / len(x) / 2).detach().reshape(1, 1, 1, 1)
