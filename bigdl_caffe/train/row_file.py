"""Rows that a rank has on its disk: written once as they come, mapped and read at any place."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from itertools import accumulate, chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format.paths import atomic_write, explained
from bigdl_caffe.train.order import Indices


def write_rows(batches: Iterator[pa.RecordBatch], path: Path) -> None:
    """Write an Arrow IPC file, batch by batch.

    Parameters
    ----------
    batches : iterator of RecordBatch
        The columns that feed the net, and last one of int64: each row's number among those
        of all ranks. There may be no batch.
    path : Path
        A local file. It appears whole or not at all.

    Raises
    ------
    CaffeError
        When it cannot be written: the disk is full, for one.
    """
    first = next(batches, pa.record_batch([pa.array([], pa.int64())], ["row"]))
    with explained(path), atomic_write(path) as file, pa.ipc.new_file(file, first.schema) as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch)


class RowFile:
    """What `write_rows` wrote, mapped: rows come to memory when they are asked for.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    numbers : ndarray of int64
        The rows' numbers among those of all ranks, ascending.

    Raises
    ------
    CaffeFormatError
        For a file that is no such one.
    """

    def __init__(self, path: Path) -> None:
        try:
            with explained(path):
                reader = pa.ipc.open_file(pa.memory_map(str(path)))
            batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        except pa.ArrowInvalid as error:
            raise CaffeFormatError(f"this is no Arrow file: {error}", str(path)) from None
        *columns, numbers = zip(*(batch.columns for batch in batches), strict=True)
        self._names = reader.schema.names[:-1]
        self._columns = columns
        self._starts = np.array([0, *accumulate(map(len, numbers))])
        unsorted = np.concatenate([chunk.to_numpy() for chunk in numbers])
        self._places = np.argsort(unsorted)
        self.numbers: Indices = unsorted[self._places]

    def read(self, numbers: Indices) -> pa.RecordBatch:
        """Return the rows of those ``numbers``, which have to be in the file, in their order."""
        places = self._places[np.searchsorted(self.numbers, numbers)]
        chunks = np.searchsorted(self._starts, places, "right") - 1
        found = list(zip(chunks.tolist(), (places - self._starts[chunks]).tolist(), strict=True))
        # Table.take would put all chunks of a binary column together at first.
        columns = [
            pa.concat_arrays([column[chunk].slice(row, 1) for chunk, row in found])
            for column in self._columns
        ]
        return pa.RecordBatch.from_arrays(columns, self._names)

    def part(self, start: int, stop: int) -> RowFile:
        """Return the rows of the numbers from ``start`` to before ``stop``, numbered from 0."""
        first, last = np.searchsorted(self.numbers, (start, stop))
        part = copy(self)
        part._places, part.numbers = self._places[first:last], self.numbers[first:last] - start
        return part
