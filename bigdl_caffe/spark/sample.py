"""The first rows of a DataFrame as feeds on the driver."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.arrow import limit_rows, place, tells_case_apart
from bigdl_caffe.spark.batches import score_batches
from bigdl_caffe.spark.columns import Feed
from bigdl_caffe.spark.environment import Portable
from bigdl_caffe.spark.metrics import Tally
from bigdl_caffe.spark.plan import plan
from bigdl_caffe.spark.scoring import named_options

if TYPE_CHECKING:
    from bigdl_caffe.model import Model

Array = np.ndarray[Any, Any]


def sample(
    model: Model,
    df: DataFrame,
    rows: int | None,
    batch_size: int,
    how: Mapping[str, Any],
    labelled: bool = False,
) -> Iterator[Mapping[str, Array]]:
    """Yield what the model is fed of the first ``rows`` rows of ``df``, all by default.

    The columns that are fed come to the driver; rows that cannot be decoded are left out.

    Parameters
    ----------
    how : mapping
        Options of `bigdl_caffe.spark.plan.Scoring`.
    labelled : bool
        Whether something goes by the rows' positions.

    Raises
    ------
    CaffeError
        A row cannot be decoded and they are ``labelled``.
    """
    fed = {"batch_size": batch_size, "on_error": "drop", "engine": "exact"}
    cased = tells_case_apart(df.sparkSession)
    planned = plan(model, df.schema, named_options({**how, **fed}), cased)
    taken, feeds = _columns(df if rows is None else df.limit(rows), planned.job.feeds)
    job, tally = replace(planned.job, engine="torch", feeds=feeds, keys=()), Tally()
    limit_rows(df.sparkSession, model.inputs)
    seen: list[Mapping[str, Array]] = []

    def run(feed: Mapping[str, Array]) -> dict[str, Array]:
        seen.append(dict(feed))
        shapes = model.shapes_at({blob: array.shape for blob, array in feed.items()}, job.fetch)
        return {blob: np.zeros(shapes[blob], np.float32) for blob in job.fetch}  # nobody reads it

    parts = taken.mapInArrow(Portable(_packed), "part binary").toLocalIterator()
    batches = (batch for part in parts for batch in pa.ipc.open_stream(part.part))
    for _ in score_batches(batches, job, model, run=run, tally=tally):
        yield from seen
        seen.clear()
    if labelled and tally.failed:
        raise CaffeError(
            f"{tally.failed} of the rows cannot be read ({', '.join(tally.reasons)}), and labels "
            "are given in the order of the rows: leave out such rows with their labels"
        )


def _columns(df: DataFrame, feeds: Sequence[Feed]) -> tuple[DataFrame, tuple[Feed, ...]]:
    """Return the columns that are fed alone, by plain names, and where each is now."""
    names = [place(i) for i in range(len(df.columns))]
    kept = sorted({feed.column for feed in feeds})
    now = tuple(replace(feed, column=kept.index(feed.column)) for feed in feeds)
    return df.toDF(*names).select(*(names[i] for i in kept)), now


def _packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pack each batch into one row."""
    for batch in batches:
        out = io.BytesIO()
        with pa.ipc.new_stream(out, batch.schema) as writer:
            writer.write_batch(batch)
        yield pa.record_batch([pa.array([out.getvalue()], pa.binary())], ["part"])
