"""DataFrames that executors read: the driver lists splits, each becomes one partition."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import PathLike, exists, local_path
from bigdl_caffe.spark.environment import Portable
from bigdl_caffe.spark.ways import is_connect

BATCH_ROWS, BATCH_BYTES = 128, 8 << 20
"""A batch that a reader gives Spark has at most so many rows, and about so many bytes."""

SPLIT_BYTES = 128 << 20
"""A partition has about this much at most, as of files that Spark reads, unless told otherwise."""


@dataclass(frozen=True)
class Split:
    """What one task reads: a file or folder, or in a subclass a part of it."""

    path: str


Row = Sequence[Any]
Read = Callable[[Any], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class ReadTask:
    """Reads splits by their numbers, as Spark pickles it and calls it for each partition."""

    splits: Sequence[Split]
    read: Read

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Read the splits of one partition."""
        for batch in batches:
            for number in batch.column(0).to_pylist():
                split = self.splits[number]
                check_visible(split.path)
                yield from self.read(split)


def read_splits(
    spark: SparkSession, splits: Sequence[Split], read: Read, schema: StructType
) -> DataFrame:
    """Return the rows of ``splits``, a partition each, in their order.

    Parameters
    ----------
    read : callable
        Gives the record batches of a split; runs on the executors.
    """
    numbers = spark.range(0, len(splits), 1, len(splits))
    return numbers.mapInArrow(Portable(ReadTask(tuple(splits), read)), schema)


def in_batches(rows: Iterator[Row], schema: StructType) -> Iterator[pa.RecordBatch]:
    """Yield ``rows`` as record batches of bounded size; a list of numbers may be an ndarray."""
    arrow = to_arrow_schema(schema)
    held: list[Row] = []
    size = 0
    for row in rows:
        held.append(row)
        size += sum(map(_size, row))
        if len(held) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield _batch(held, arrow)
            held, size = [], 0
    if held:
        yield _batch(held, arrow)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, bytes) else getattr(value, "nbytes", 8)


def _batch(rows: Sequence[Row], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def number_of_splits(spark: SparkSession, size: int, wanted: int | None) -> int:
    """Return how many partitions data of ``size`` bytes get: ``wanted``, if that is given.

    Raises
    ------
    CaffeError
        It is less than 1.
    """
    if wanted is None:
        return max(_parallelism(spark), -(-size // SPLIT_BYTES))
    if wanted < 1:
        raise CaffeError(f"num_partitions is {wanted}: give at least 1")
    return wanted


def _parallelism(spark: SparkSession) -> int:
    """Return how many partitions Spark gives to data that it makes up."""
    if not is_connect(spark):
        return int(spark.sparkContext.defaultParallelism)
    # Connect has no SparkContext to ask.
    return spark.range(1 << 12).select(F.spark_partition_id()).distinct().count()


def absolute(path: PathLike) -> str:
    """Return ``path`` as executors, whose working directory is another, have to name it."""
    local = local_path(path)
    return os.fspath(path) if local is None else os.path.abspath(local)


def check_visible(path: str) -> None:
    """Raise `CaffeError` on an executor that does not see what the driver sees."""
    if not exists(path):
        raise CaffeError(
            f"the executor on {socket.gethostname()} does not see {path}, which the driver does: "
            "put it where every executor has it under the same path"
        )
