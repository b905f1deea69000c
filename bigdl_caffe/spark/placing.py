"""Which rank trains on which row: told by the row's place in the DataFrame alone.

Row g of M goes with all others of its *column* g mod B, where B is the size of the global
batch, to rank (g mod B) mod N. However many ranks there are, the rows of a pass are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from bigdl_caffe.errors import CaffeError

INDEX, PART = "index", "part"
"""Columns that `placed` appends: the row's number within its part, and the part's."""

TRAIN, VALIDATION = 0, 1
"""The parts of the rows."""

_POSITION = (1 << 33) - 1
"""The bits in which Spark's monotonically_increasing_id() counts the rows of a partition."""


@dataclass(frozen=True)
class Placed:
    """Rows as the ranks get them.

    Attributes
    ----------
    df : DataFrame
        Partition r has the rows of rank r, in any order; the columns given, then `INDEX` and
        `PART`.
    rows : tuple of int
        How many there are of each part.
    """

    df: DataFrame
    rows: tuple[int, int]


@contextmanager
def placed(
    df: DataFrame,
    columns: Sequence[Column],
    ranks: int,
    batch: int,
    validation: Column | None = None,
) -> Iterator[Placed]:
    """Give columns of ``df`` such that partition r has the rows of rank r, exactly.

    They are kept on the executors' disks until the context ends, unless ``df`` is cached: rows
    must not change places between being counted and being sent.

    Parameters
    ----------
    columns : sequence of Column
    ranks : int
        At most ``batch``.
    batch : int
        Rows of a pass, of all ranks together.
    validation : Column, optional
        True for the rows to test with; they are numbered on their own. By default none is.

    Raises
    ------
    CaffeError
        There are fewer rows to train on than ranks.
    """
    part = F.lit(TRAIN) if validation is None else F.when(validation, VALIDATION).otherwise(TRAIN)
    ours = df.storageLevel == StorageLevel.NONE
    kept = df.select(*columns, part.alias(PART))
    kept = kept.persist(StorageLevel.DISK_ONLY) if ours else kept
    try:
        yield _placed(kept, ranks, batch, validation is not None)
    finally:
        if ours:
            kept.unpersist()


def _placed(kept: DataFrame, ranks: int, batch: int, validates: bool) -> Placed:
    counts = kept.groupBy(F.spark_partition_id().alias("partition"), PART).count().collect()
    rows = tuple(sum(n for _, p, n in counts if p == part) for part in (TRAIN, VALIDATION))
    if rows[TRAIN] < ranks:
        raise CaffeError(
            f"there are {rows[TRAIN]} rows to train on for {ranks} workers: give numWorkers of at "
            "most that, or more rows"
        )
    numbered = _numbered(kept, counts, TRAIN)
    if validates:
        numbered = numbered.union(_numbered(kept, counts, VALIDATION))
    keys = _keys(kept.sparkSession, ranks)
    key = _of(keys, F.col(INDEX) % batch % ranks)
    return Placed(numbered.repartition(ranks, key), (rows[TRAIN], rows[VALIDATION]))


def _numbered(kept: DataFrame, counts: Sequence[Row], part: int) -> DataFrame:
    """Return the rows of a part, numbered in their order."""
    sizes = {row["partition"]: row["count"] for row in counts if row[PART] == part}
    offsets = [0]
    for partition in range(max(sizes, default=0)):
        offsets.append(offsets[-1] + sizes.get(partition, 0))
    place = F.monotonically_increasing_id()
    index = _of(offsets, F.shiftright(place, 33)) + place.bitwiseAND(_POSITION)
    return kept.where(F.col(PART) == part).withColumn(INDEX, index)


def _of(values: Sequence[int], position: Column) -> Column:
    """Return the one of ``values`` at a 0-based position."""
    return F.element_at(F.lit(list(values)).cast("array<bigint>"), (position + 1).cast("int"))


def _keys(spark: SparkSession, ranks: int) -> list[int]:
    """Return for each rank a key that Spark's partitioning by hash puts into its partition."""
    place = F.expr(f"pmod(hash(id), {ranks})").alias("place")
    found = spark.range(64 * ranks).groupBy(place).agg(F.min("id")).collect()  # misses one in e^64
    return [key for _, key in sorted(found)]
