"""The datasets of HDF5 files, as Caffe's HDF5Data layer has them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StructField,
    StructType,
)

from bigdl_caffe.data.source import Array
from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.format.hdf5 import import_h5py
from bigdl_caffe.format.paths import PathLike, local_path, open_input, read_bytes
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.spark.sources.splits import (
    BATCH_BYTES,
    BATCH_ROWS,
    Split,
    absolute,
    number_of_splits,
    read_splits,
)

_MAGIC = b"\x89HDF\r\n\x1a\n"
_TYPES: dict[str, tuple[DataType, type]] = {
    "f2": (FloatType(), np.float32),
    "f4": (FloatType(), np.float32),
    "f8": (DoubleType(), np.float64),
    "i1": (IntegerType(), np.int32),
    "i2": (IntegerType(), np.int32),
    "i4": (IntegerType(), np.int32),
    "i8": (LongType(), np.int64),
    "u1": (IntegerType(), np.int32),
    "u2": (IntegerType(), np.int32),
    "u4": (LongType(), np.int64),
}
"""Type of a dataset's numbers → Spark's and numpy's that hold them all."""


def hdf5(
    spark: SparkSession,
    path: PathLike,
    datasets: Sequence[str] | None = None,
    *,
    num_partitions: int | None = None,
) -> DataFrame:
    """Return the rows of datasets, in the order of the files and of their rows.

    The driver reads the files' headers; the executors read the rows, each partition its own
    range of them, a slice at a time.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    path : path or URI
        An HDF5 file, or a list of them, one a line, as HDF5Data's ``source``: names in it are
        relative to the working directory, as in Caffe. Every executor has to see the files.
    datasets : sequence of str, optional
        By default all at the top of the first file.
    num_partitions : int, optional
        By default as many as Spark's default, and one a 128 MiB; more where there are more
        files.

    Returns
    -------
    DataFrame
        A column a dataset: numbers where a row is one number, else arrays in row-major
        order, the shape of a row in the column's metadata (``shape``). Floats and whole
        numbers stay what they are; half floats become single ones.

    Raises
    ------
    CaffeError
        At once, for files that are missing, damaged or empty, and for datasets that are
        missing, no numbers, or unlike in their rows.
    """
    files = _files(path)
    with _opened(files[0]) as first:
        columns = {name: _Column.of(first, name, files[0]) for name in datasets or _names(first)}
    lengths = [_rows(file, columns) for file in files]
    total = sum(lengths)
    if not total:
        raise CaffeError(f"{os.fspath(path)}: the datasets {', '.join(columns)} have no rows")
    size = total * sum(column.row_bytes for column in columns.values())
    rows = -(-total // number_of_splits(spark, size, num_partitions))
    splits = [
        _RowRange(file, start, min(start + rows, length))
        for file, length in zip(files, lengths, strict=True)
        for start in range(0, length, rows)
    ]
    fields = [
        StructField(name, column.spark, metadata={"shape": list(column.shape)})
        for name, column in columns.items()
    ]
    return read_splits(spark, splits, _Reader(columns), StructType(fields))


@dataclass(frozen=True)
class _Column:
    """What a row of a dataset is."""

    shape: Shape
    type: str

    @staticmethod
    def of(file: Any, name: str, path: str) -> _Column:
        """Look at the dataset called ``name``."""
        dataset = file.get(name)
        if getattr(dataset, "ndim", None) is None:
            raise CaffeError(f"{path} has no dataset '{name}'; it has {', '.join(_names(file))}")
        kind = dataset.dtype.str[1:]
        if kind not in _TYPES or not dataset.ndim:
            raise CaffeError(
                f"{path}: the dataset '{name}' has type {dataset.dtype} and shape "
                f"{dataset.shape}: store floats or whole numbers of at most 63 bits, a row a sample"
            )
        return _Column(tuple(dataset.shape[1:]), kind)

    @property
    def spark(self) -> DataType:
        """The type of the DataFrame's column."""
        number, _ = _TYPES[self.type]
        return number if prod(self.shape) == 1 else ArrayType(number)

    @property
    def row_bytes(self) -> int:
        """What a row takes."""
        return prod(self.shape) * np.dtype(_TYPES[self.type][1]).itemsize

    def arrow(self, rows: Array) -> pa.Array:
        """Return rows as Arrow has them."""
        numbers = pa.array(rows.astype(_TYPES[self.type][1], copy=False).ravel())
        if prod(self.shape) == 1:
            return numbers
        starts = np.arange(len(rows) + 1, dtype=np.int32) * prod(self.shape)
        return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), numbers)


@dataclass(frozen=True)
class _RowRange(Split):
    start: int
    stop: int


@dataclass(frozen=True)
class _Reader:
    columns: Mapping[str, _Column]

    def __call__(self, split: _RowRange) -> Iterator[pa.RecordBatch]:
        """Read a range of rows."""
        row_bytes = sum(column.row_bytes for column in self.columns.values())
        step = max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, row_bytes)))
        with _opened(split.path) as file:
            for start in range(split.start, split.stop, step):
                rows = slice(start, min(start + step, split.stop))
                arrays = [c.arrow(file[name][rows]) for name, c in self.columns.items()]
                yield pa.RecordBatch.from_arrays(arrays, list(self.columns))


def _files(path: PathLike) -> list[str]:
    """Return the files that ``path`` is, or lists."""
    with open_input(path) as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            return [absolute(path)]
    try:
        names = read_bytes(path).decode().split()
    except UnicodeDecodeError:
        raise CaffeError(
            f"{os.fspath(path)} is neither an HDF5 file nor a list of them, one a line"
        ) from None
    if not names:
        raise CaffeError(f"{os.fspath(path)}: the list of HDF5 files is empty")
    return [absolute(name) for name in names]


def _names(file: Any) -> list[str]:
    return [name for name, item in file.items() if hasattr(item, "dtype")]


def _rows(path: str, columns: Mapping[str, _Column]) -> int:
    """Return how many rows a file has, whose datasets have to be like the first file's."""
    with _opened(path) as file:
        found = {name: _Column.of(file, name, path) for name in columns}
        lengths = {name: len(file[name]) for name in columns}
    for name, column in columns.items():
        if found[name] != column:
            raise ShapeError(
                f"{path}: a row of '{name}' is {found[name].shape} of type {found[name].type}, "
                f"in the first file {column.shape} of type {column.type}"
            )
    if len({*lengths.values()}) != 1:
        raise ShapeError(
            f"{path}: the datasets have different numbers of rows, {lengths}: name those that "
            "belong together by datasets=[...]"
        )
    return next(iter(lengths.values()))


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Give an HDF5 file, of which only what is asked for is read, a remote one too."""
    h5py = import_h5py(path)
    with open_input(path) as raw:
        try:
            file = h5py.File(local_path(path) or raw, "r")
        except OSError as error:
            raise CaffeError(f"{path}: this HDF5 file is damaged: {error}") from None
        with file:
            try:
                yield file
            except (OSError, RuntimeError) as error:
                raise CaffeError(f"{path}: this HDF5 file is damaged: {error}") from None
