"""Spark's two ways to call a Python function on columns: by Arrow arrays, or by pandas.

Arrow is Spark 4.1's. A row of pandas takes 1.3 to 1.5 times as long, and Spark's pandas can
hold neither a struct that is null nor, as a result, an ML vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd  # type: ignore[import-untyped]  # pandas ships no types
import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from bigdl_caffe.spark.environment import Portable

Columns = tuple[pa.Array, ...]
Function = Callable[[Iterator[Columns]], Iterator[pa.Array]]
"""Takes the arguments of many calls at a time, and returns as many results."""

_functions: Any = F  # its types leave some out
HAS_ARROW = hasattr(F, "arrow_udf")
"""Whether this Spark calls functions on Arrow arrays."""


def vectorized(function: Function, kind: DataType) -> Any:
    """Return ``function``, whose results are of type ``kind``, as Spark can register it.

    It may be called with any number of columns.
    """
    if HAS_ARROW:
        arrow = Portable(OnArrow(function))

        def on_arrow(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
            yield from arrow(batches)

        return _functions.arrow_udf(on_arrow, kind)
    pandas = Portable(OnPandas(function))

    # Spark goes by the hint. The values are of as many columns as the call has, and structs
    # are DataFrames.
    def on_pandas(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        yield from pandas(batches)

    return _functions.pandas_udf(on_pandas, kind)


@dataclass(frozen=True)
class OnArrow:
    """A function as Spark's ``arrow_udf`` calls it."""

    function: Function

    def __call__(self, batches: Iterator[Any]) -> Iterator[pa.Array]:
        """Call the function with Arrow arrays, a tuple of them where there are not one."""
        return self.function(map(_together, batches))


@dataclass(frozen=True)
class OnPandas:
    """A function as Spark's ``pandas_udf`` calls it."""

    function: Function

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Call the function with Series and, of structs, DataFrames; it returns the same."""
        return map(_to_pandas, self.function(map(_to_arrow, map(_together, batches))))


def _together(columns: Any) -> tuple[Any, ...]:
    """Return a tuple of the columns: Spark gives a single one as it is."""
    return columns if isinstance(columns, tuple) else (columns,)


def _to_arrow(columns: tuple[Any, ...]) -> Columns:
    return tuple(map(_struct_or_plain, columns))


def _struct_or_plain(column: Any) -> pa.Array:
    if not isinstance(column, pd.DataFrame):
        return pa.Array.from_pandas(column)
    schema = _STRUCTS.get(tuple(column.columns))
    return pa.RecordBatch.from_pandas(column, schema, preserve_index=False).to_struct_array()


def _to_pandas(result: pa.Array) -> Any:
    if pa.types.is_struct(result.type):
        return pa.RecordBatch.from_struct_array(_with_nulls_inside(result)).to_pandas()
    return result.to_pandas()


def _with_nulls_inside(structs: pa.StructArray) -> pa.StructArray:
    """Return structs of which none is null, but all the fields of those that were."""
    return pa.StructArray.from_arrays(structs.flatten(), [field.name for field in structs.type])


_VECTOR = {
    "type": pa.int8(),
    "size": pa.int32(),
    "indices": pa.list_(pa.int32()),
    "values": pa.list_(pa.float64()),
}
_IMAGE = {
    "origin": pa.string(),
    "height": pa.int32(),
    "width": pa.int32(),
    "nChannels": pa.int32(),
    "mode": pa.int32(),
    "data": pa.binary(),
}
_STRUCTS = {tuple(fields): pa.schema(list(fields.items())) for fields in (_VECTOR, _IMAGE)}
"""Names of fields → their types, which pandas does not tell where all values are null."""
