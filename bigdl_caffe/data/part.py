"""Which forward passes of a net's data are wanted, and which rows of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Part:
    """All passes from one on, and a rank's share of the rows of each.

    Random numbers are asked for by what they are for. So they are the same whichever passes
    and rows came before, and in whatever process.

    Attributes
    ----------
    seed : int
    key : tuple of int
        What tells these data from others that have the same seed.
    start : int
        The first pass.
    rank, size : int
        Rows ``rank``, ``rank + size``, ... are wanted.
    """

    seed: int = 0
    key: tuple[int, ...] = ()
    start: int = 0
    rank: int = 0
    size: int = 1

    def rows(self, n: int) -> range:
        """Return the wanted ones of ``n`` rows; any one row where that would be none."""
        if self.rank < n:
            return range(self.rank, n, self.size)
        return range(self.rank % n, self.rank % n + 1)

    def rng(self, *what: int) -> np.random.Generator:
        """Return the random numbers of ``what``, such as a pass and a row."""
        # A spawn_key, as an entropy of [1] and one of [1, 0] would give the same.
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=self.key + what))
