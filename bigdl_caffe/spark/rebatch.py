"""Arrow batches of the sizes that we want, from those of the sizes that come."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

WAITING_BYTES = 256 << 20
"""Rows wait for a batch to be full until they take so much."""

OUT_BYTES = 64 << 20
"""Larger batches are handed back in parts: Spark's side holds a whole one in memory."""


def in_batches_of(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the same rows, ``rows`` a batch, across the borders of those that come.

    The last batch is shorter, and so is one whose rows take more than `WAITING_BYTES`.
    Rows are copied only where a batch is put together from several.
    """
    waiting: list[pa.RecordBatch] = []
    count = size = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, rows - count)
            start += part.num_rows
            waiting.append(part)
            count, size = count + part.num_rows, size + part.get_total_buffer_size()
            if count == rows or size > WAITING_BYTES:
                yield from _joined(waiting)
                waiting, count, size = [], 0, 0
    if waiting:
        yield from _joined(waiting)


def _joined(parts: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Return parts as one batch; as several only where a column would have over 2 GiB."""
    if len(parts) == 1:
        return parts
    batches: list[pa.RecordBatch] = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return batches


def in_parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the batch, in parts of about `OUT_BYTES` if it is larger; nothing if it is empty."""
    rows = max(1, batch.num_rows * OUT_BYTES // max(1, batch.nbytes))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
