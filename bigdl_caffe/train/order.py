"""Which rows a rank feeds in which pass: arithmetic on their numbers alone.

The rows of a pass are the same ones however many ranks there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeError

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """The rows of one rank, pass by pass.

    Row g of all is in column ``g % batch`` for ever, and the columns ``rank``,
    ``rank + size``, ... are a rank's. Pass k of an epoch takes the k-th row of each column,
    whose rows are in a new order each epoch when shuffled.

    Attributes
    ----------
    batch : int
        Rows of all ranks in one pass; the last of an epoch may have fewer.
    total : int
        Rows of all ranks.
    rank, size : int
    seed : int
        Of shuffling.
    shuffle : bool
        False takes rows in their own order.

    Raises
    ------
    CaffeError
        When there are no rows, or none a pass.
    """

    batch: int
    total: int
    rank: int = 0
    size: int = 1
    seed: int = 0
    shuffle: bool = True

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise CaffeError(f"the batch size is {self.batch}: give 1 or more")
        if self.total < 1:
            raise CaffeError("the data have no rows: there is nothing to feed the net")

    @property
    def per_epoch(self) -> int:
        """Passes through all rows once."""
        return -(-self.total // self.batch)

    def own(self) -> Indices:
        """Return the numbers of this rank's rows, ascending."""
        return self._rows(self._table())

    def passes(self, start: int = 0) -> Iterator[tuple[int, Indices]]:
        """Yield the epoch, and the numbers of this rank's rows, of one pass after another."""
        first, skipped = divmod(start, self.per_epoch)
        for epoch in count(first):
            for numbers in self._shuffled(epoch)[skipped:]:
                yield epoch, self._rows(numbers)
            skipped = 0

    def _columns(self) -> range:
        return range(self.rank, min(self.batch, self.total), self.size)

    def _table(self) -> Indices:
        """Return the number for each pass and column of this rank, ``total`` or more for none."""
        return np.arange(0, self.total, self.batch)[:, None] + np.array(self._columns(), np.int64)

    def _shuffled(self, epoch: int) -> Indices:
        table = self._table()
        if self.shuffle:
            for place, column in enumerate(self._columns()):
                rows = len(range(column, self.total, self.batch))
                rng(self.seed, epoch, column).shuffle(table[:rows, place])
        return table

    def _rows(self, numbers: Indices) -> Indices:
        """Return those ``numbers`` that rows have."""
        found: Indices = numbers[numbers < self.total]
        return found


def rng(seed: int, *what: int) -> np.random.Generator:
    """Return the random numbers of ``what``, such as an epoch and a row."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=what))
