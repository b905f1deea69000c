"""Axes of a picture: where a number is drawn, and which numbers stand beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_STEPS = (1, 2, 5, 10)
_FAR = 50.0
"""The ratio from which on equal differences would leave the small numbers in one line."""


@dataclass(frozen=True)
class Scale:
    """Numbers along a length.

    Attributes
    ----------
    low, high : float
        The numbers at its two ends.
    start, end : float
        Where these are.
    log : bool
        Whether equal ratios, and not equal differences, are equally long.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return where ``value`` is; beyond the ends what is beyond them."""
        low, high, value = (self._measure(v) for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def _measure(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value

    def ticks(self, most: int) -> list[float]:
        """Return round numbers within the scale: ``most`` of them, one more at the most."""
        return self._powers(most) if self.log else self._multiples(most)

    def _multiples(self, most: int) -> list[float]:
        step = _round_up((self.high - self.low) / max(most, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [float(f"{i * step:.12g}") for i in range(first, last + 1)]

    def _powers(self, most: int) -> list[float]:
        low, high = math.log10(self.low), math.log10(self.high)
        powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
        every = math.ceil(len(powers) / most) or 1
        return [float(f"1e{power}") for power in powers[::every]]


def _round_up(step: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(digit * power for digit in _STEPS if step <= digit * power * (1 + 1e-9))


def fit(values: Iterable[float], start: float, end: float) -> Scale:
    """Return the scale for ``values``, logarithmic where they span much.

    It leaves a little room at both ends; a single number is in its middle.
    """
    kept = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(kept), max(kept)
    if low > 0 and high / low >= _FAR:
        room = (high / low) ** 0.04
        return Scale(low / room, high * room, start, end, log=True)
    room = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(low - room, high + room, start, end)
