"""Which numbers a value takes: a histogram that grows with them, and steps chosen from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil, log2
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.weights.scheme import LEAST, MOST, Steps

BINS = 4096
"""On each side of 0. A power of two: bins are joined in pairs when the histogram grows."""

TAIL = 5e-5
"""The share of numbers that "percentile" cuts off at each end."""

Array = np.ndarray[Any, Any]


@dataclass
class Spread:
    """The numbers seen of one value.

    Attributes
    ----------
    reach : float
        The histogram goes from -reach to reach; a power of two.
    counts : ndarray
        Of `BINS` bins on each side.
    least, most : float
        Of all numbers seen, and 0.
    """

    reach: float = 2.0**-30
    counts: Array = field(default_factory=lambda: np.zeros(2 * BINS))
    least: float = 0.0
    most: float = 0.0

    def add(self, x: Tensor) -> None:
        """Count the numbers of ``x``.

        Raises
        ------
        CaffeError
            For NaN and infinities.
        """
        low, high = (float(end) for end in torch.aminmax(x.detach()))
        if not (np.isfinite(low) and np.isfinite(high)):
            raise CaffeError("calibration gives numbers that are not finite: look at its data")
        self.least, self.most = min(self.least, low), max(self.most, high)
        self._grow(max(-self.least, self.most))
        found = torch.histc(x.float().flatten(), 2 * BINS, -self.reach, self.reach)
        self.counts += found.double().cpu().numpy()

    def _grow(self, reach: float) -> None:
        if reach <= self.reach:
            return
        times = ceil(log2(reach / self.reach))
        joined = 2 ** min(times, int(log2(BINS)))
        for side in (self.counts[BINS:], self.counts[:BINS][::-1]):  # outwards from 0
            sums = side.reshape(-1, joined).sum(1)
            side[:] = 0
            side[: len(sums)] = sums
        self.reach *= 2.0**times

    def joined(self, other: Spread) -> Spread:
        """Return what was seen of both."""
        both = Spread(self.reach, self.counts.copy(), self.least, self.most)
        theirs = Spread(other.reach, other.counts.copy())
        for each in (both, theirs):
            each._grow(max(self.reach, other.reach))
        both.counts += theirs.counts
        both.least, both.most = min(both.least, other.least), max(both.most, other.most)
        return both

    @property
    def centres(self) -> Array:
        """The number that each bin stands for."""
        return (np.arange(2 * BINS) - BINS + 0.5) * (self.reach / BINS)


def steps(least: float, most: float) -> Steps:
    """Return whole numbers that reach from ``least`` to ``most``, which 0 lies between."""
    scale = float(np.float32((most - least) / (MOST - LEAST)))
    if not scale > 0:  # only zeros were seen, or numbers too small for float32
        return Steps(1.0, LEAST)
    return Steps(scale, min(MOST, LEAST + round(-least / scale)))


def _whole(spread: Spread) -> Steps:
    return steps(spread.least, spread.most)


def _percentile(spread: Spread) -> Steps:
    share = spread.counts.cumsum() / max(spread.counts.sum(), 1)
    edges = (np.arange(2 * BINS + 1) - BINS) * (spread.reach / BINS)
    low = edges[np.searchsorted(share, TAIL, "right")]
    high = edges[np.searchsorted(share, 1 - TAIL) + 1]
    return steps(max(spread.least, min(low, 0.0)), min(spread.most, max(high, 0.0)))


def _least_error(spread: Spread) -> Steps:
    """Return the steps with the least mean square of what rounding and cutting change."""
    shares = np.linspace(1.0, 0.2, 81)
    tried = [steps(spread.least * share, spread.most * share) for share in shares]
    return min(tried, key=lambda each: _error(spread, each))


def _error(spread: Spread, each: Steps) -> float:
    x = spread.centres
    rounded = np.clip(np.round(x / each.scale) + each.zero, LEAST, MOST) - each.zero
    return float(np.dot(spread.counts, (rounded * each.scale - x) ** 2))


METHODS: Mapping[str, Callable[[Spread], Steps]] = {
    "mse": _least_error,
    "minmax": _whole,
    "percentile": _percentile,
}
"""How steps are chosen, by name; the first is the default."""
