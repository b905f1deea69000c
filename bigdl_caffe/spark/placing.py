"""Which rank trains on which row: told by the row's place in the DataFrame alone.

Row g of M goes with all others of its *column* g mod B, where B is the size of the global
batch, to rank (g mod B) mod N. However many ranks there are, the rows of a pass are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate

from py4j.protocol import Py4JError
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from bigdl_caffe.errors import CaffeError

INDEX = "index"
"""Column that `placed` appends: the row's number, those to test with behind all others."""

_PART, _RANK = "part", "rank"
_TRAIN, _TEST = 0, 1
_POSITION = (1 << 33) - 1
"""The bits in which Spark's monotonically_increasing_id() counts the rows of a partition."""


@dataclass(frozen=True)
class Placed:
    """Rows as the ranks get them.

    Attributes
    ----------
    df : DataFrame
        Partition r has the rows of rank r, in any order; the columns given, then `INDEX`.
    train, test : int
        How many rows there are to train on, and to test with.
    """

    df: DataFrame
    train: int
    test: int


@contextmanager
def placed(
    df: DataFrame,
    columns: Sequence[Column],
    ranks: int,
    batch: int,
    validation: Column | None = None,
    keep: bool = True,
) -> Iterator[Placed]:
    """Give columns of ``df`` such that partition r has the rows of rank r, exactly.

    Rows must not change places between being counted and being sent.

    Parameters
    ----------
    columns : sequence of Column
    ranks : int
        At most ``batch``.
    batch : int
        Rows of a pass, of all ranks together.
    validation : Column, optional
        True for the rows to test with; they are numbered on their own. By default none is.

    keep : bool
        Whether to keep them on the executors' disks until the context ends: needless where
        ``df`` is made of one that is cached.

    Raises
    ------
    CaffeError
        There are fewer rows to train on, or to test with, than ranks.
    """
    part = F.lit(_TRAIN) if validation is None else F.when(validation, _TEST).otherwise(_TRAIN)
    kept = df.select(*columns, part.alias(_PART))
    kept = kept.persist(StorageLevel.DISK_ONLY) if keep else kept
    try:
        yield _placed(kept, ranks, batch, validation is not None)
    finally:
        if keep:
            with suppress(Py4JError):  # Spark is gone; what ended it says more than this
                kept.unpersist()


def _placed(kept: DataFrame, ranks: int, batch: int, tests: bool) -> Placed:
    counts = kept.groupBy(F.spark_partition_id().alias("partition"), _PART).count().collect()
    train, test = (_sizes(counts, part) for part in (_TRAIN, _TEST))
    rows = sum(train.values())
    _check_enough(rows, "train on", ranks)
    numbered = _numbered(kept, _TRAIN, train, 0, ranks, batch)
    if tests:
        _check_enough(sum(test.values()), "test with", ranks)
        numbered = numbered.union(_numbered(kept, _TEST, test, rows, ranks, batch))
    key = _of(_keys(kept.sparkSession, ranks), F.col(_RANK))
    ready = numbered.repartition(ranks, key).drop(_PART, _RANK)
    return Placed(ready, rows, sum(test.values()))


def _sizes(counts: Sequence[Row], part: int) -> dict[int, int]:
    """Return partition → how many rows of a part it has."""
    return {row["partition"]: row["count"] for row in counts if row[_PART] == part}


def _check_enough(rows: int, what: str, ranks: int) -> None:
    if rows < ranks:
        raise CaffeError(
            f"there are {rows} rows to {what} for {ranks} workers: each needs one; give numWorkers "
            "of fewer, or more rows"
        )


def _numbered(
    kept: DataFrame, part: int, sizes: Mapping[int, int], first: int, ranks: int, batch: int
) -> DataFrame:
    """Return the rows of a part, numbered in their order, each with its rank."""
    each = [sizes.get(partition, 0) for partition in range(max(sizes, default=0))]
    place = F.monotonically_increasing_id()
    number = _of([*accumulate(each, initial=0)], F.shiftright(place, 33)) + place.bitwiseAND(
        _POSITION
    )
    return (
        kept.where(F.col(_PART) == part)
        .withColumn(INDEX, number)
        .withColumn(_RANK, F.col(INDEX) % batch % ranks)
        .withColumn(INDEX, F.col(INDEX) + first)
    )


def _of(values: Sequence[int], position: Column) -> Column:
    """Return the one of ``values`` at a 0-based position."""
    return F.element_at(F.lit(list(values)).cast("array<bigint>"), (position + 1).cast("int"))


def _keys(spark: SparkSession, ranks: int) -> list[int]:
    """Return for each rank a key that Spark's partitioning by hash puts into its partition."""
    place = F.expr(f"pmod(hash(id), {ranks})").alias("place")
    found = spark.range(64 * ranks).groupBy(place).agg(F.min("id")).collect()  # misses one in e^64
    return [key for _, key in sorted(found)]
