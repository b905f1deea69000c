"""Databases of Datum messages, as Caffe's tools write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ArrayType, FloatType, StructType

from bigdl_caffe.data.database import items, key_ranges
from bigdl_caffe.data.datum import parse, pixels
from bigdl_caffe.data.source import Array, at
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.paths import PathLike
from bigdl_caffe.spark.sources.pnm import pnm
from bigdl_caffe.spark.sources.splits import (
    Row,
    Split,
    absolute,
    in_batches,
    number_of_splits,
    read_splits,
)

_SIZES = ("channels", "height", "width")
_PICTURE_CHANNELS = (1, 3)


def lmdb(
    spark: SparkSession,
    path: PathLike,
    *,
    num_partitions: int | None = None,
    pictures: bool | None = None,
) -> DataFrame:
    r"""Return the records of an LMDB of Datum messages, in the order of their keys.

    The driver reads keys; the executors read the records, each partition its own range of
    keys, one batch after another.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    path : path or URI
        The database on a local file system that every executor sees under the same path.
    num_partitions : int, optional
        By default as many as Spark's default, and one a 128 MiB.
    pictures : bool, optional
        Whether the records are pictures, or plain numbers; by default what the first one is.

    Returns
    -------
    DataFrame
        ======== ============ ==========================================================
        key      string       bytes that are not UTF-8 as ``\xff``
        label    int          0 where the record has none, as in Caffe
        channels int          as the record says; null where it does not, as encoded ones
        height   int
        width    int
        image    binary       of pictures: the file that the record holds or, of raw bytes
                              with 1 or 3 channels, its pixels as PNM, which keeps them all
        data     array<float> of plain numbers, in ``image``'s place: channels, rows,
                              columns in row-major order
        problem  string       null, or why the record could not be read, whose other
                              columns but ``key`` are then null
        ======== ============ ==========================================================

        Such a DataFrame can be scored as it is: pictures by the net's recipe, numbers
        unchanged.

    Raises
    ------
    CaffeError
        At once, for a database that is missing, empty, of the other kind or damaged at its
        beginning; on an action, for one that is damaged where it is read, or that an
        executor does not see.
    """
    return _read(spark, path, "LMDB", num_partitions, pictures)


def leveldb(
    spark: SparkSession,
    path: PathLike,
    *,
    num_partitions: int | None = None,
    pictures: bool | None = None,
) -> DataFrame:
    """Return the records of a LevelDB of Datum messages; as `lmdb` in everything else."""
    return _read(spark, path, "LEVELDB", num_partitions, pictures)


@dataclass(frozen=True)
class _KeyRange(Split):
    start: bytes
    stop: bytes | None


@dataclass(frozen=True)
class _Reader:
    backend: str
    pictures: bool

    @property
    def schema(self) -> StructType:
        """What the rows are."""
        schema = StructType().add("key", "string").add("label", "integer")
        for size in _SIZES:
            schema = schema.add(size, "integer")
        if self.pictures:
            return schema.add("image", "binary").add("problem", "string")
        return schema.add("data", ArrayType(FloatType())).add("problem", "string")

    def __call__(self, split: _KeyRange) -> Iterator[pa.RecordBatch]:
        """Read a range of keys."""
        values = _picture if self.pictures else _numbers
        found = items(split.path, self.backend, split.start, split.stop)
        return in_batches((_row(key, value, values) for key, value in found), self.schema)


def _read(
    spark: SparkSession, path: PathLike, backend: str, wanted: int | None, pictures: bool | None
) -> DataFrame:
    path = absolute(path)
    first = next(items(path, backend), None)
    if first is None:
        raise CaffeError(f"{path}: the database is empty")
    if pictures is None:
        with at(f"{path}, key '{_text(first[0])}'"):
            pictures = _is_picture(parse(pb.Datum, first[1]))
    parts = number_of_splits(spark, _bytes(Path(path)), wanted)
    splits = [_KeyRange(path, *ends) for ends in key_ranges(path, parts, backend)]
    reader = _Reader(backend, pictures)
    return read_splits(spark, splits, reader, reader.schema)


def _bytes(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _text(key: bytes) -> str:
    return key.decode("utf-8", "backslashreplace")


def _row(key: bytes, value: bytes, values: Callable[[pb.Datum], Any]) -> Row:
    try:
        datum = parse(pb.Datum, value)
        made = values(datum)
    except CaffeError as error:
        return (_text(key), None, *(None for _ in _SIZES), None, str(error))
    sizes = (getattr(datum, size) if datum.HasField(size) else None for size in _SIZES)
    return (_text(key), datum.label, *sizes, made, None)


def _is_picture(datum: pb.Datum) -> bool:
    return datum.encoded or _shows(pixels(datum))


def _shows(array: Array) -> bool:
    return array.dtype == np.uint8 and len(array) in _PICTURE_CHANNELS


def _picture(datum: pb.Datum) -> bytes:
    if datum.encoded:
        return bytes(datum.data)
    array = pixels(datum)
    if not _shows(array):
        raise CaffeError(
            f"the Datum is no picture but {array.shape} (channels, height, width) of "
            f"{array.dtype}: read the database with pictures=False"
        )
    return pnm(np.moveaxis(array, 0, 2))


def _numbers(datum: pb.Datum) -> Array:
    return pixels(datum).ravel().astype(np.float32, copy=False)
