"""The passes that rows of a DataFrame give, from the file that a rank has of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.columns import Feed, gather
from bigdl_caffe.train.feeds import Array, Pass
from bigdl_caffe.train.jitter import Jitter
from bigdl_caffe.train.order import Indices, Order, rng
from bigdl_caffe.train.row_file import RowFile

_CUTS = 1
"""Tells the random numbers of a row from those that shuffle a column."""


class Rows:
    """Rows in the order of training.

    Parameters
    ----------
    file : RowFile
        This rank's rows: `Order.own` of them.
    order : Order
    feeds : sequence of Feed
        What each input blob is read from; columns of the file.
    on_error : {"fail", "drop"}
        What to do with a row that cannot be read: stop, or leave it out of its pass.
    jitter : mapping of str to Jitter, optional
        Blob → what is done to its pictures at random, seeded by the order's seed, the epoch
        and the row's number.

    Raises
    ------
    CaffeError
        When the file has other rows than the order asks for.
    """

    def __init__(
        self,
        file: RowFile,
        order: Order,
        feeds: Sequence[Feed],
        on_error: str = "fail",
        jitter: Mapping[str, Jitter] | None = None,
    ) -> None:
        if not np.array_equal(file.numbers, own := order.own()):
            raise CaffeError(
                f"rank {order.rank} has {len(file.numbers)} rows, and not the {len(own)} that are "
                f"its of {order.total}: the data must not change while they are given out"
            )
        self._file, self._order, self._feeds = file, order, tuple(feeds)
        self._drop = on_error == "drop"
        self._jitter = dict(jitter or {})
        self._dropped: set[int] = set()

    @property
    def per_epoch(self) -> int:
        """Passes through all rows of all ranks once."""
        return self._order.per_epoch

    @property
    def dropped(self) -> int:
        """How many of this rank's rows have been found bad and left out."""
        return len(self._dropped)

    def passes(self, start: int = 0) -> Iterator[Pass]:
        """Yield pass number ``start`` and those after it, without end.

        Raises
        ------
        CaffeError
            For a row that cannot be read, unless such are dropped.
        """
        for epoch, numbers in self._order.passes(start):
            feed = self._read(epoch, numbers)
            if feed is not None:
                yield Pass(feed, len(next(iter(feed.values()))))
            else:  # only to stay in step: any row, for the sake of BatchNorm's statistics
                yield Pass(self._read(epoch, self._file.numbers[:1]) or self._zeros(), 0)

    def _read(self, epoch: int, numbers: Indices) -> dict[str, Array] | None:
        """Return what those rows feed, None where there is no good one among them."""
        if not len(numbers):
            return None
        cuts = {
            blob: [
                jitter.cut(rng(self._order.seed, _CUTS, epoch, number))
                for number in numbers.tolist()
            ]
            for blob, jitter in self._jitter.items()
        }
        values, good, reasons = gather(self._file.read(numbers), self._feeds, cuts)
        for row, reason in reasons.items():
            self._refuse(int(numbers[row]), reason)
        return dict(values) if len(good) else None

    def _refuse(self, number: int, reason: str) -> None:
        if not self._drop:
            raise CaffeError(
                f"row {number} of the training data: {reason}; on_error='drop' would leave such "
                "rows out"
            )
        self._dropped.add(number)

    def _zeros(self) -> dict[str, Array]:
        return {feed.blob: np.zeros((1, *feed.shape), np.float32) for feed in self._feeds}


class RowsOnce:
    """All rows once, in their own order: what a net is tested on.

    Parameters
    ----------
    rows : Rows
        Of an order that does not shuffle.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def passes(self) -> Iterator[Pass]:
        """Yield the passes of one test, as many on every rank. Raises as `Rows.passes`."""
        return islice(self._rows.passes(), self._rows.per_epoch)
