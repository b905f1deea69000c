"""Picture files with a label each: class folders, and lists as ImageData has them."""

from __future__ import annotations

import io
import json
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import cast

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from bigdl_caffe.data.records import listed
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import PathLike, open_input, read_bytes
from bigdl_caffe.spark.sources.files import IMAGE_SUFFIXES, glob
from bigdl_caffe.spark.sources.splits import (
    Row,
    Split,
    absolute,
    in_batches,
    number_of_splits,
    read_splits,
)

_LISTED = (
    StructType()
    .add("path", "string")
    .add("label", "integer")
    .add("content", "binary")
    .add("problem", "string")
)
_PICTURE_BYTES = 128 << 10
"""What a listed picture is taken to have: nobody has looked."""


def image_folder(
    spark: SparkSession, path: PathLike, *, classes: Sequence[str] | None = None
) -> DataFrame:
    """Return the pictures in class folders, labelled by their folder.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    path : path or URI
        The folder of the class folders, anywhere Spark can read; one that is relative is
        local. A picture belongs to the folder right under it, however deep it lies.
    classes : sequence of str, optional
        The folders' names in the order of their labels. By default those that hold pictures,
        sorted: give them for a part of the data that may lack a class.

    Returns
    -------
    DataFrame
        ======= ====== ========================================
        path    string
        content binary the file
        label   int    place of the class in ``classes``, from 0
        class   string name of the folder
        ======= ====== ========================================

        In Spark's order and partitions for files, not in that of their names. Files whose
        names do not end as pictures' do are left out.

    Raises
    ------
    CaffeError
        At once, for a folder that is missing or holds no class folders with pictures, and for
        folders that ``classes`` lacks.
    """
    root = _root(path)
    files = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .option("pathGlobFilter", glob(IMAGE_SUFFIXES))
    )
    # What stands before the path in a URI is another for every file system.
    under = f"^[^/]*(?://[^/]*)?{re.escape(_plain(root))}/([^/]+)/."
    try:
        found = files.load(root).select("path", "content")
        labelled = found.withColumn("class", F.regexp_extract("path", under, 1))
        # One job that lists names; no picture is read for it.
        names = sorted(row[0] for row in labelled.select("class").distinct().collect())
    except AnalysisException as error:  # which Connect raises when it runs, and not before
        raise CaffeError(f"{root} cannot be read: {str(error).splitlines()[0]}") from None
    _check_classes(root, names, classes)
    known = F.from_json(F.lit(json.dumps(list(classes or names))), "array<string>")
    label = F.call_function("array_position", known, F.col("class")) - 1
    return labelled.select("path", "content", label.cast("int").alias("label"), "class")


def image_list(
    spark: SparkSession,
    path: PathLike,
    root: PathLike = "",
    *,
    num_partitions: int | None = None,
) -> DataFrame:
    r"""Return the pictures of a list of names and labels, in the order of the list.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    path : path or URI
        ImageData's ``source``: a name, a space and a whole number a line. Every executor has
        to see it, and the pictures.
    root : path or URI, optional
        What stands before every name, as ImageData's ``root_folder``. Without it names are
        relative to the working directory, and absolute ones stay as they are.
    num_partitions : int, optional
        By default as many as Spark's default, and one for 1024 pictures.

    Returns
    -------
    DataFrame
        ======= ====== ==========================================================
        path    string ``root`` and the name; bytes that are not UTF-8 as ``\xff``
        label   int    as the list has it: from 0 in Caffe
        content binary the file; null if it could not be read
        problem string null, or why it could not
        ======= ====== ==========================================================

    Raises
    ------
    CaffeError
        At once, for a list that is missing or empty, and for a line that is no name and label.
    """
    path = absolute(path)
    places = [place for place, _ in _lines(path)]
    if not places:
        raise CaffeError(f"{path}: the list of pictures is empty")
    parts = number_of_splits(spark, len(places) * _PICTURE_BYTES, num_partitions)
    step = -(-len(places) // parts)
    splits = [_Lines(path, places[i], i, step) for i in range(0, len(places), step)]
    reader = _ListReader(f"{absolute(root)}/" if root else "", os.getcwd())
    return read_splits(spark, splits, reader, _LISTED)


@dataclass(frozen=True)
class _Lines(Split):
    """Some lines of a list: at which byte and line they begin, and how many they are at most."""

    byte: int
    line: int
    count: int


@dataclass(frozen=True)
class _ListReader:
    root: str
    cwd: str
    """The driver's working directory."""

    def __call__(self, split: _Lines) -> Iterator[pa.RecordBatch]:
        """Read the pictures of some lines."""
        lines = islice(_lines(split.path, split.byte, split.line), split.count)
        return in_batches((self._row(name, label) for _, (name, label) in lines), _LISTED)

    def _row(self, name: str, label: int) -> Row:
        path = self.root + name.lstrip("/") if self.root else posixpath.join(self.cwd, name)
        try:
            return (_utf8(path), label, read_bytes(path), None)
        except CaffeError as error:
            return (_utf8(path), label, None, _utf8(str(error)))


def _lines(path: str, byte: int = 0, before: int = 0) -> Iterator[tuple[int, tuple[str, int]]]:
    """Yield from ``byte`` on where each line begins, its name and its label.

    ``before`` is how many lines there are before it.
    """
    with open_input(path) as raw:
        raw.seek(byte)
        for number, line in enumerate(io.BufferedReader(cast(io.RawIOBase, raw)), before + 1):
            yield byte, listed(line, f"{path}, line {number}")
            byte += len(line)


def _utf8(text: str) -> str:
    """Return text that a column can hold: a name may have bytes that are not UTF-8."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _root(path: PathLike) -> str:
    """Return ``path`` as Spark takes it: what it is relative to is not what Hadoop says."""
    text = os.fspath(path)
    return text if re.match(r"/|\w[\w+.-]*:", text) else f"file://{os.path.abspath(text)}"


def _plain(uri: str) -> str:
    """Return the path alone, in one spelling."""
    path = re.sub(r"^\w[\w+.-]*:(//[^/]*)?", "", uri)
    return posixpath.normpath(path).rstrip("/")


def _check_classes(root: str, found: Sequence[str], wanted: Sequence[str] | None) -> None:
    if not found:
        raise CaffeError(
            f"{root} holds no picture ({', '.join(IMAGE_SUFFIXES)}): give the folder of the "
            "class folders"
        )
    if "" in found:
        raise CaffeError(
            f"{root} holds pictures that are in no class folder: put each into the folder of its "
            "class, or give the folder above"
        )
    if unknown := [name for name in found if wanted is not None and name not in wanted]:
        raise CaffeError(f"{root} has the class folders {unknown}, which are not in classes")
