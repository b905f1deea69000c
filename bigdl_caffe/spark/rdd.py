"""Score RDDs of arrays, BigDL's older way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pyspark import RDD, TaskContext
from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.spark.batches import check_batch_size
from bigdl_caffe.spark.ship import ship
from bigdl_caffe.spark.worker import pickle_converters, prepare

if TYPE_CHECKING:
    from bigdl_caffe.model import Model

Array = npt.NDArray[Any]


def score_rdd(
    model: Model,
    rdd: RDD[Any],
    *,
    batch_size: int = 32,
    fetch: Sequence[str] | None = None,
    **others: Any,
) -> RDD[Any]:
    """Return the outputs of an RDD's rows, in the same order and partitions.

    Prefer DataFrames: they are several times faster, and RDDs have Python workers of their
    own, each of which opens the model again.

    Parameters
    ----------
    rdd : RDD
        Each element is one row: an array of the input's shape without the batch axis, or for
        a net of several inputs a sequence of them in the order of ``model.inputs``.
    fetch : sequence of str, optional
        Blobs to return; the net's outputs by default.

    Returns
    -------
    RDD
        Of arrays without the batch axis; of lists of arrays for several blobs.

    Raises
    ------
    CaffeError
        At once, for blobs and options that cannot work; ``others`` are for DataFrames only.
    ShapeError
        On an action, for a row of another shape.
    """
    if others:
        raise CaffeError(
            f"an RDD takes batch_size and fetch, not {', '.join(others)}: score a DataFrame, "
            "or leave it out"
        )
    check_batch_size(batch_size)
    blobs = model.check_fetch(fetch)
    row_wise = model.row_wise(blobs)
    shipped = ship(SparkSession.builder.getOrCreate(), model)
    converters = pickle_converters(model)

    def score(partition: Iterable[Any]) -> Iterable[Any]:
        rows = iter(partition)
        opened = prepare(TaskContext.get(), shipped, converters)
        start = 0
        while batch := list(islice(rows, batch_size if row_wise else 1)):
            opened.reset()  # as for the rows of a DataFrame
            tops = opened.run(_stack(opened, batch, start), blobs)
            arrays = [tops[blob] for blob in blobs]
            yield from _rows(arrays) if row_wise else [_single(arrays)]
            start += len(batch)

    return rdd.mapPartitions(score, preservesPartitioning=True)


def _stack(model: Model, rows: Sequence[Any], start: int) -> dict[str, Array]:
    """Return the feed of ``rows``, of which the first is at ``start`` in its partition."""
    several = len(model.inputs) > 1
    for position, row in enumerate(rows, start):
        arrays = row if several else [row]
        if len(arrays) != len(model.inputs):
            raise ShapeError(
                f"row {position} of the partition has {len(arrays)} arrays for the inputs "
                f"{', '.join(model.inputs)}: give one for each, in this order"
            )
        for (blob, shape), array in zip(model.inputs.items(), arrays, strict=True):
            if np.shape(array) != shape[1:]:
                raise ShapeError(
                    f"row {position} of the partition has shape {np.shape(array)}, and the input "
                    f"'{blob}' takes {shape[1:]}: an RDD's elements are rows without a batch axis"
                )
    columns = zip(*rows, strict=True) if several else [rows]
    return {
        blob: np.stack(column).astype(np.float32, copy=False)
        for blob, column in zip(model.inputs, columns, strict=True)
    }


def _rows(tops: Sequence[Array]) -> Iterator[Array | list[Array]]:
    return (_single(row) for row in zip(*tops, strict=True))


def _single(arrays: Sequence[Array]) -> Array | list[Array]:
    return arrays[0] if len(arrays) == 1 else list(arrays)
