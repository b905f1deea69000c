"""Arrow batches in, the same rows with the model's outputs out; nothing of Spark."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, starmap
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch

from bigdl_caffe.ahead import read_ahead
from bigdl_caffe.engine.opening import ENGINES, Opening, Run, open_engine
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.columns import Feed, Floats, Indices, gather
from bigdl_caffe.spark.device import is_out_of_memory
from bigdl_caffe.spark.metrics import Tally
from bigdl_caffe.spark.outputs import Mask, Output, column, made
from bigdl_caffe.spark.rebatch import in_batches_of, in_parts
from bigdl_caffe.transfer import aligned

if TYPE_CHECKING:
    from bigdl_caffe.model import Model

AGAIN = 16
"""Batches that must have fitted into memory before larger ones are tried."""

_log = logging.getLogger(__name__)


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
    engine : str
        One of `bigdl_caffe.engine.opening.ENGINES`.
    dtype : str
        What the model computes in.
    """

    feeds: tuple[Feed, ...]
    outputs: tuple[Output, ...]
    batch_size: int = 32
    row_wise: bool = True
    on_error: str = "column"
    error_column: str = "error"
    keys: tuple[tuple[str, int], ...] = ()
    engine: str = "torch"
    dtype: str = "float32"

    @property
    def together(self) -> bool:
        """Whether the model runs the rows of a batch at once."""
        return self.row_wise and not ENGINES[self.engine].alone

    @property
    def fetch(self) -> tuple[str, ...]:
        """The blobs that the model computes."""
        return tuple(dict.fromkeys(output.blob for output in self.outputs))

    def opening(self, model: Model, **how: Any) -> Opening:
        """Return for what the job's engine is opened with ``model``."""
        return Opening(model, self.fetch, self.batch_size if self.together else 1, **how)


def score_batches(
    batches: Iterator[pa.RecordBatch],
    job: ScoreJob,
    model: Model,
    partition: int = 0,
    tally: Tally | None = None,
    run: Run | None = None,
    threads: int = 1,
) -> Generator[pa.RecordBatch, None, None]:
    """Append the model's outputs to every row.

    Parameters
    ----------
    batches : iterator of RecordBatch
        Of any length, none included.
    partition : int
        Named in the error of a failing row.
    tally : Tally, optional
        Told of every batch.
    run : callable, optional
        The job's engine, opened; by default it is opened here.
    threads : int
        The task's cores. With more than one, or with a GPU, the next batch is read and decoded
        on a thread of its own while the model runs; one core does both in turn.

    Yields
    ------
    RecordBatch
        The same columns and rows in the same order, then a column for each `Output`, then
        the reason of a failed row, whose outputs are null.

    Raises
    ------
    CaffeError
        A row failed and ``job.on_error`` is "fail".
    """
    run = run or open_engine(job.engine, job.opening(model))
    scorer = _Scorer(job, model, run, tally or Tally(), job.batch_size)
    position = 0
    inputs = (scorer.read(batch) for batch in in_batches_of(batches, job.batch_size))
    with read_ahead(inputs, threads) as ready:
        for part, outputs, errors in chain.from_iterable(starmap(scorer.score, ready)):
            scorer.tally.count(part.num_rows, errors.values())
            if job.on_error == "fail":
                _raise_first(part, errors, job, f"partition {partition}", position)
            position += part.num_rows
            yield from in_parts(_assemble(part, outputs, errors, job))


Gathered = tuple[dict[str, Floats], Indices, dict[int, str]]
"""What `gather` returns."""

Input = tuple[pa.RecordBatch, "Gathered | None"]
"""Rows, and what the model is fed with, unless it is yet to be gathered."""

Scored = tuple[pa.RecordBatch, list[pa.Array], Mapping[int, str]]
"""Rows, their output columns, and by its position why a row has none."""


@dataclass
class _Scorer:
    """A job under way, in rows as many at a time as there is memory for."""

    job: ScoreJob
    model: Model
    run: Run
    tally: Tally
    rows: int
    fitted: int = 0

    def read(self, batch: pa.RecordBatch) -> Input:
        """Gather the rows of a batch, if there is memory for all of them at a time."""
        if batch.num_rows > self.rows:
            return batch, None
        try:
            return batch, self._gather(batch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return batch, None  # `score` tries again, and tries less

    def score(self, batch: pa.RecordBatch, gathered: Gathered | None) -> Iterator[Scored]:
        """Score a batch that was `read`, in parts where it does not fit into memory."""
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, self.rows)
            if part.num_rows < batch.num_rows:
                gathered = None
            try:
                scored = self._score(part, gathered or self._gather(part))
            except Exception as error:
                if part.num_rows == 1 or not is_out_of_memory(error):
                    raise
                self._shrink(part.num_rows, error)
                continue
            start += part.num_rows
            self._grow()
            yield scored

    def _grow(self) -> None:
        """Try more rows at a time after a while: one large row, or a neighbour, may be gone."""
        self.fitted += 1
        if self.fitted % AGAIN == 0:
            self.rows = min(2 * self.rows, self.job.batch_size)

    def _shrink(self, rows: int, error: BaseException) -> None:
        self.rows, self.fitted = max(1, rows // 2), 0
        _log.warning("No memory for %d rows at a time (%s): trying %d", rows, error, self.rows)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _gather(self, batch: pa.RecordBatch) -> Gathered:
        with self.tally.timed("decode"):
            return gather(batch, self.job.feeds)

    def _score(self, batch: pa.RecordBatch, gathered: Gathered) -> Scored:
        feed, good, errors = gathered
        done: list[Mapping[str, Floats]] = []
        with self.tally.timed("infer"):
            for rows, result in self._run(feed, range(len(good)), self.job.together):
                if isinstance(result, Exception):
                    errors[int(good[rows[0]])] = f"{type(result).__name__}: {result}"
                else:
                    done.append(result)
        valid = _valid(batch, errors)
        outputs = [
            column(output, made([d[output.blob] for d in done], self.job.row_wise, valid))
            for output in self.job.outputs
        ]
        return batch, outputs, errors

    def _run(
        self, feed: Mapping[str, Floats], rows: range, together: bool
    ) -> Iterator[tuple[range, Mapping[str, Floats] | Exception]]:
        """Run ``rows`` of the feed, all in one or each alone.

        One row's values can make a whole batch fail (an index beyond an Embed layer's table),
        so halves of a batch that fails are run again, and only the guilty row gets an error.
        """
        if not together or not rows:
            for row in rows:
                yield from self._run(feed, range(row, row + 1), True)
            return
        try:
            yield rows, self._forward(feed, rows)
        except Exception as error:  # whatever it is, it is this row's reason
            if len(rows) == 1:
                yield rows, error
                return
            if is_out_of_memory(error):
                raise
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                yield from self._run(feed, half, True)

    def _forward(self, feed: Mapping[str, Floats], rows: range) -> Mapping[str, Floats]:
        known = self.model.inputs
        part = {b: values[rows.start : rows.stop] for b, values in feed.items() if b in known}
        if ENGINES[self.job.engine].exact:  # kernels may round by where a row begins in memory
            part = {blob: aligned(values) for blob, values in part.items()}
        self.model.reset()  # the rows of a DataFrame have no order: none follows from another
        return self.run(part)


def _assemble(
    batch: pa.RecordBatch, outputs: list[pa.Array], errors: Mapping[int, str], job: ScoreJob
) -> pa.RecordBatch:
    """Return the batch with its outputs, and its errors or without the rows that have any."""
    columns = [*batch.columns, *outputs]
    names = [*batch.schema.names, *(output.column for output in job.outputs)]
    if job.on_error == "column":
        columns.append(_reasons(batch, errors))
        names.append(job.error_column)
    scored = pa.RecordBatch.from_arrays(columns, names)
    if job.on_error == "drop" and errors:
        return scored.filter(pa.array(_valid(batch, errors)))
    return scored


def _valid(batch: pa.RecordBatch, errors: Mapping[int, str]) -> Mask:
    """Return which rows have outputs."""
    valid = np.ones(batch.num_rows, bool)
    valid[list(errors)] = False
    return valid


def _reasons(batch: pa.RecordBatch, errors: Mapping[int, str]) -> pa.Array:
    if not errors:
        return pa.nulls(batch.num_rows, pa.string())
    return pa.array([errors.get(row) for row in range(batch.num_rows)], pa.string())


def _raise_first(
    batch: pa.RecordBatch, errors: Mapping[int, str], job: ScoreJob, place: str, position: int
) -> None:
    if not errors:
        return
    row = min(errors)
    keys = [f"{name}={batch.column(column)[row].as_py()!r}" for name, column in job.keys]
    named = f" ({', '.join(keys)})" if keys else ""
    raise CaffeError(
        f"row {position + row} of {place}{named}: {errors[row]}; on_error='column' would keep "
        "such rows with the reason beside them, 'drop' would leave them out"
    )
