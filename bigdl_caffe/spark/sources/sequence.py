"""Hadoop's SequenceFiles of pictures, as BigDL wrote ImageNet."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from py4j.protocol import Py4JJavaError
from pyspark import RDD
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import PathLike
from bigdl_caffe.spark.sources.pnm import pnm
from bigdl_caffe.spark.sources.splits import Row, number_of_splits
from bigdl_caffe.spark.ways import is_connect

_HADOOP = "org.apache.hadoop.io."
# Spark's own sc.sequenceFile takes the bytes of a Text for UTF-8, which BigDL's are not.
_FORMAT = "org.apache.hadoop.mapreduce.lib.input.SequenceFileAsBinaryInputFormat"
_MOST_BYTES = "mapreduce.input.fileinputformat.split.maxsize"
_HEAD = 8
_SCHEMA = (
    StructType()
    .add("key", "string")
    .add("label", "integer")
    .add("image", "binary")
    .add("problem", "string")
)


def sequence_file(
    spark: SparkSession,
    path: PathLike,
    *,
    first_label: int = 1,
    num_partitions: int | None = None,
) -> DataFrame:
    r"""Return the pictures of SequenceFiles, in the order of the files and their records.

    Hadoop reads the files, wherever they lie and however they are compressed. Needs the
    SparkContext, which Spark Connect does not have.

    Parameters
    ----------
    spark : SparkSession
        Classic.
    path : path or URI
        A file, a folder of files, or a glob. Keys are Text, BytesWritable, IntWritable,
        LongWritable or NullWritable; values are Text or BytesWritable. A value is either
        BigDL's (the width and the height, 4 bytes each with the high one first, then rows
        of BGR bytes), or a picture's file.
    first_label : int
        The label that the files have for the first class: 1 as BigDL writes them.
    num_partitions : int, optional
        At least as many partitions; by default one a block of Hadoop's.

    Returns
    -------
    DataFrame
        ======= ====== ============================================================
        key     string the name of BigDL's keys "name\nlabel"; other keys as they are
        label   int    the whole number that the key is, or ends with, minus
                       ``first_label``: from 0; null if it is none
        image   binary a picture's file: the value, or BigDL's pixels as PNM
        problem string null, or why there is no picture
        ======= ====== ============================================================

    Raises
    ------
    CaffeError
        At once, on Spark Connect, for files that are missing or no SequenceFiles, and for
        other classes of keys and values.
    """
    if is_connect(spark):
        raise CaffeError(
            "sequence_file reads by the SparkContext, which Spark Connect lacks: read the files "
            "in a classic session and save them as Parquet"
        )
    found = _look(spark, os.fspath(path))
    most = {}
    if num_partitions is not None:
        parts = number_of_splits(spark, found.bytes, num_partitions)
        most[_MOST_BYTES] = str(-(-found.bytes // parts))
    raw = f"{_HADOOP}BytesWritable"
    records: RDD[Any] = spark.sparkContext.newAPIHadoopFile(
        os.fspath(path), _FORMAT, raw, raw, conf=most
    )
    rows = records.map(_Reader(found.keys, found.values, first_label))
    return spark.createDataFrame(rows, _SCHEMA, verifySchema=False)


@dataclass(frozen=True)
class _Found:
    """How large the files are, and the classes in the first one's header."""

    bytes: int
    keys: str
    values: str


def _look(spark: SparkSession, path: str) -> _Found:
    java: Any = spark._jvm
    conf = spark._jsc.hadoopConfiguration()
    try:
        given = java.org.apache.hadoop.fs.Path(path)
        system = given.getFileSystem(conf)
        places = [status.getPath() for status in system.globStatus(given) or ()]
        first = next((file for place in places for file in _files(system, place)), None)
        if first is None:
            raise CaffeError(f"there is no SequenceFile at {path}: check the path")
        reader = java.org.apache.hadoop.io.SequenceFile.Reader(system, first, conf)
        try:
            classes = (reader.getKeyClassName(), reader.getValueClassName())
        finally:
            reader.close()
        size = sum(system.getContentSummary(place).getLength() for place in places)
    except Py4JJavaError as error:
        raise CaffeError(f"{path} cannot be read: {error.java_exception.getMessage()}") from None
    short = [name.removeprefix(_HADOOP) for name in classes]
    for name, known in zip(short, (_KEYS, _VALUES), strict=True):
        if name not in known:
            raise CaffeError(
                f"{path} has {short[0]} as keys and {short[1]} as values: known are keys of "
                f"{', '.join(_KEYS)} and values of {', '.join(_VALUES)}"
            )
    return _Found(size, *short)


def _files(system: Any, place: Any) -> Iterator[Any]:
    """Yield the files that Hadoop would read, which are not those with hidden names."""
    for status in system.listStatus(place):
        if status.isFile() and not status.getPath().getName().startswith(("_", ".")):
            yield status.getPath()


def _text(raw: bytes) -> bytes:
    """Return the bytes of a Text, which its length stands before as a number of 1 to 9 bytes."""
    longer = 0x90 - raw[0] if 0x88 <= raw[0] < 0x90 else 0
    return raw[1 + longer :]


def _whole(raw: bytes) -> bytes:
    return b"%d" % int.from_bytes(raw, "big", signed=True)


_VALUES: dict[str, Callable[[bytes], bytes]] = {"Text": _text, "BytesWritable": lambda raw: raw[4:]}
_KEYS: dict[str, Callable[[bytes], bytes]] = {
    **_VALUES,
    "IntWritable": _whole,
    "LongWritable": _whole,
    "NullWritable": lambda raw: b"",
}
"""Class → what makes the content of what it writes."""


@dataclass(frozen=True)
class _Reader:
    keys: str
    values: str
    first_label: int

    def __call__(self, record: tuple[bytes, bytes]) -> Row:
        """Return the row of a record, both of whose parts are as Hadoop wrote them."""
        key = _KEYS[self.keys](record[0]).decode("utf-8", "backslashreplace")
        value = _VALUES[self.values](record[1])
        name, lines, number = key.rpartition("\n")
        label = int(number) - self.first_label if re.fullmatch(r"-?[0-9]{1,9}", number) else None
        problem = None if value else "there is no picture: the value is empty"
        return (name if lines else key, label, _picture(value) or None, problem)


def _picture(value: bytes) -> bytes:
    """Return BigDL's pixels as a file; any other value is one."""
    width, height = (int.from_bytes(value[at : at + 4], "big") for at in (0, 4))
    if width and height and len(value) == _HEAD + width * height * 3:
        return pnm(np.frombuffer(value, np.uint8, offset=_HEAD).reshape(height, width, 3))
    return value
