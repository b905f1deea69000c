"""Arrow batches in, the same rows with the model's outputs out; nothing of Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.columns import Feed, Floats, Indices, read

if TYPE_CHECKING:
    from bigdl_caffe.model import Model


@dataclass(frozen=True)
class Output:
    """A blob to fetch, the column it goes to, and whether that holds one number a row."""

    blob: str
    column: str
    scalar: bool = False


@dataclass(frozen=True)
class ScoreJob:
    """What to do with each row.

    Attributes
    ----------
    feeds, outputs : tuple
        Columns to blobs, blobs to columns.
    batch_size : int
        Rows that the model runs at a time, and the most that an output batch has.
    row_wise : bool
        False runs rows one at a time: the net's outputs do not keep one row per input row.
    on_error : str
        "column", "drop" or "fail".
    error_column : str
        Appended for "column": null, or why the row has no outputs.
    keys : tuple of (str, int)
        Name and position of columns that tell a reader which row failed.
    """

    feeds: tuple[Feed, ...]
    outputs: tuple[Output, ...]
    batch_size: int = 32
    row_wise: bool = True
    on_error: str = "column"
    error_column: str = "error"
    keys: tuple[tuple[str, int], ...] = ()


def check_batch_size(batch_size: int) -> None:
    """Raise `CaffeError` for a number of rows that nothing can be run by."""
    if batch_size < 1:
        raise CaffeError(f"batch_size is {batch_size}: give at least 1")


Tally = Callable[[int, int], None]
"""Told of every batch: how many rows it had, and how many of them failed."""


def count_nothing(rows: int, failed: int) -> None:
    """Count nothing."""


def score_batches(
    batches: Iterator[pa.RecordBatch],
    job: ScoreJob,
    model: Model,
    partition: int = 0,
    tally: Tally = count_nothing,
) -> Iterator[pa.RecordBatch]:
    """Append the model's outputs to every row.

    Parameters
    ----------
    batches : iterator of RecordBatch
        Of any length, none included.
    partition : int
        Named in the error of a failing row.
    tally : callable
        See `Tally`.

    Yields
    ------
    RecordBatch
        The same columns and rows in the same order, then per `Output` a list of float32 (the
        blob's row, flattened in row-major order) or a float32, then the reason of a failed
        row, whose outputs are null.

    Raises
    ------
    CaffeError
        A row failed and ``job.on_error`` is "fail".
    """
    position = 0
    for batch in batches:
        for start in range(0, batch.num_rows, job.batch_size):
            part = batch.slice(start, job.batch_size)
            outputs, errors = _score(part, job, model)
            tally(part.num_rows, part.num_rows - errors.count(None))
            if job.on_error == "fail":
                _raise_first(part, errors, job, f"partition {partition}", position + start)
            yield _assemble(part, outputs, errors, job)
        position += batch.num_rows


def _score(
    batch: pa.RecordBatch, job: ScoreJob, model: Model
) -> tuple[list[pa.Array], list[str | None]]:
    """Return the output columns, and every row's reason for having none, or None."""
    feed, good, errors = _gather(batch, job.feeds)
    fetch = [output.blob for output in job.outputs]
    done: list[Mapping[str, Floats]] = []
    lengths = []
    for rows, result in _run(model, feed, fetch, job.row_wise, range(len(good))):
        if isinstance(result, Exception):
            errors[good[rows[0]]] = f"{type(result).__name__}: {result}"
        else:
            done.append(result)
            lengths.append(len(rows))
    valid = np.array([error is None for error in errors], bool)
    return [_column(output, done, lengths, valid) for output in job.outputs], errors


def _gather(
    batch: pa.RecordBatch, feeds: tuple[Feed, ...]
) -> tuple[dict[str, Floats], Indices, list[str | None]]:
    """Return each blob's values for the rows that are good in all of them, and which those are."""
    read_rows = [read(batch.column(feed.column), feed) for feed in feeds]
    good: Indices = reduce(np.intersect1d, [rows.good for rows in read_rows])
    values = {
        feed.blob: rows.values
        if len(good) == len(rows.good)
        else rows.values[np.searchsorted(rows.good, good)]
        for feed, rows in zip(feeds, read_rows, strict=True)
    }
    reasons = zip(*(rows.errors for rows in read_rows), strict=True)
    return values, good, ["; ".join(filter(None, found)) or None for found in reasons]


def _run(
    model: Model, feed: Mapping[str, Floats], fetch: list[str], together: bool, rows: range
) -> Iterator[tuple[range, Mapping[str, Floats] | Exception]]:
    """Run ``rows`` of the feed, all in one or each alone.

    One row's values can make a whole batch fail (an index beyond an Embed layer's table), so
    a batch that fails is run again row by row, and only the guilty row gets an error.
    """
    if not together or not rows:
        for row in rows:
            yield from _run(model, feed, fetch, True, range(row, row + 1))
        return
    try:
        part = {blob: values[rows.start : rows.stop] for blob, values in feed.items()}
        model.reset()  # the rows of a DataFrame have no order: none follows from another
        yield rows, model.run(part, fetch)
    except Exception as error:  # whatever it is, it is this row's reason
        if len(rows) == 1:
            yield rows, error
        else:
            yield from _run(model, feed, fetch, False, rows)


def _column(
    output: Output,
    done: list[Mapping[str, Floats]],
    rows: list[int],
    valid: npt.NDArray[np.bool_],
) -> pa.Array:
    """Return one output for all rows, null where ``valid`` is False."""
    parts = [np.asarray(result[output.blob], np.float32) for result in done]
    flat = [part.reshape(-1) for part in parts] or [np.empty(0, np.float32)]
    values = flat[0] if len(flat) == 1 else np.concatenate(flat)
    if output.scalar:
        column = np.zeros(len(valid), np.float32)
        column[valid] = values
        return pa.array(column, mask=~valid)
    lengths = np.zeros(len(valid), np.int32)
    lengths[valid] = np.repeat([part.size // n for part, n in zip(parts, rows, strict=True)], rows)
    offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, values, mask=pa.array(~valid))


def _assemble(
    batch: pa.RecordBatch, outputs: list[pa.Array], errors: list[str | None], job: ScoreJob
) -> pa.RecordBatch:
    """Return the batch with its outputs, and its errors or without the rows that have any."""
    columns = [*batch.columns, *outputs]
    names = [*batch.schema.names, *(output.column for output in job.outputs)]
    if job.on_error == "column":
        columns.append(pa.array(errors, pa.string()))
        names.append(job.error_column)
    scored = pa.RecordBatch.from_arrays(columns, names)
    if job.on_error == "drop":
        return scored.filter(pa.array([error is None for error in errors], pa.bool_()))
    return scored


def _raise_first(
    batch: pa.RecordBatch, errors: list[str | None], job: ScoreJob, place: str, position: int
) -> None:
    for row, error in enumerate(errors):
        if error is not None:
            keys = [f"{name}={batch.column(column)[row].as_py()!r}" for name, column in job.keys]
            named = f" ({', '.join(keys)})" if keys else ""
            raise CaffeError(
                f"row {position + row} of {place}{named}: {error}; on_error='column' would keep "
                "such rows with the reason beside them, 'drop' would leave them out"
            )
