"""Spark's ``mapInArrow`` without its traps: column names, types and sizes of batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DataType, StructField, StructType

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.spark.environment import Portable

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"
_BYTES = "spark.sql.execution.arrow.maxBytesPerBatch"
FEW, FEWER = 128, 32
BATCH_BYTES = 64 << 20
OURS = "spark.bigdl.caffe.arrow.rows"
"""Where we note which number we set: a session's copies, as streams have them, know it too."""

_NOT_IN_ARROW = ("yearmonthinterval", "interval")
_log = logging.getLogger(__name__)


def place(position: int) -> str:
    """Return the plain name that a column has while `map_arrow` runs."""
    return f"c{position}"


def tells_case_apart(spark: SparkSession) -> bool:
    """Whether names of columns that differ in case alone are different ones to ``spark``."""
    return spark.conf.get("spark.sql.caseSensitive") == "true"


def map_arrow(
    df: DataFrame,
    task: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]],
    added: Sequence[StructField],
    inputs: Mapping[str, Shape],
) -> DataFrame:
    """Run ``task``, which appends the columns ``added``, over ``df``.

    ``mapInArrow`` looks columns up by name, which fails for names with dots, and for two
    columns of one name: meanwhile they have the names of `place`.

    Parameters
    ----------
    inputs : mapping of str to Shape
        The net's: batches of Spark's get no more rows of them than fit into `BATCH_BYTES`.

    Raises
    ------
    CaffeError
        Spark cannot pass a column to Python.
    """
    _check_types(df.schema)
    limit_rows(df.sparkSession, inputs)
    fields = [*df.schema.fields, *added]
    places = [place(i) for i in range(len(fields))]
    schema = StructType(
        [
            StructField(name, field.dataType, field.nullable, field.metadata)
            for name, field in zip(places, fields, strict=True)
        ]
    )
    plain = df.toDF(*places[: len(df.columns)])
    return plain.mapInArrow(Portable(task), schema).toDF(*(field.name for field in fields))


def _check_types(schema: StructType) -> None:
    """Refuse the types that pyspark has no Arrow type for."""
    for field in schema.fields:
        if any(kind.typeName() in _NOT_IN_ARROW for kind in _types(field.dataType)):
            raise CaffeError(
                f"the column '{field.name}' is {field.dataType.simpleString()}, which Spark "
                "cannot pass to Python: drop the column, or cast it, before scoring"
            )


def _types(kind: DataType) -> Iterator[DataType]:
    """Yield ``kind`` and, for arrays, maps and structs, the types in it."""
    yield kind
    inside = kind.fields if isinstance(kind, StructType) else [kind]
    for part in (value for holder in inside for value in vars(holder).values()):
        if isinstance(part, DataType):
            yield from _types(part)


def _row_bytes(inputs: Mapping[str, Shape]) -> int:
    """Return what a row of a net's inputs takes, if it comes as doubles."""
    return 8 * sum(prod(shape[1:]) for shape in inputs.values())


def limit_rows(spark: SparkSession, inputs: Mapping[str, Shape]) -> None:
    """Bring Spark's Arrow batches from 10000 rows, too many for images, to a few.

    Spark before 4.0 does not limit their bytes, of which a column must have less than 2 GiB.
    A number that the session has been given, by anyone but us, is left as it is; ours is
    lowered where a net has wider rows than those before it.
    """
    given = spark.conf.get(_ROWS, None)  # not even Spark's default counts as given
    ours = spark.conf.get(OURS, None)
    few = FEW if spark.conf.isModifiable(_BYTES) else FEWER
    rows = max(1, min(few, BATCH_BYTES // max(1, _row_bytes(inputs))))
    if given is not None and (given != ours or rows >= int(given)):
        return
    spark.conf.set(_ROWS, str(rows))
    spark.conf.set(OURS, str(rows))
    _log.warning("%s is set to %d for this session: it had Spark's default", _ROWS, rows)
