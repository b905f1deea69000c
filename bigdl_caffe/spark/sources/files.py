"""Find what there is to score: folders and globs of image files, or Parquet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe.errors import CaffeError

IMAGE_SUFFIXES = ("jpg", "jpeg", "png", "bmp", "gif", "webp", "tif", "tiff", "ppm", "pgm")
"""Files that count as images, by what their names end with, in any case."""


@dataclass(frozen=True)
class Source:
    """Rows to score.

    Attributes
    ----------
    rows : DataFrame
        Of image files: "path" and "content".
    column : str or None
        The one to feed; None leaves the choice to the types of the columns.
    path : str or None
        The column that names a row: "path", if there is one.
    files : bool
        Whether a row is a file. Such rows have no order of their own, those of a Parquet do.
    skipped : int
        Files found that are not images.
    """

    rows: DataFrame
    column: str | None
    path: str | None
    files: bool
    skipped: int = 0


def read_source(spark: SparkSession, where: str, column: str | None = None) -> Source:
    """Return the image files of a folder (with its subfolders) or glob, or a Parquet's rows.

    Parameters
    ----------
    where : str
        A path or URI that Spark can read.
    column : str, optional
        Which column of a Parquet to feed.

    Raises
    ------
    CaffeError
        There is neither.
    """
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    suffixes = [PurePosixPath(name).suffix[1:].lower() for name in reader.load(where).inputFiles()]
    images = sum(suffix in IMAGE_SUFFIXES for suffix in suffixes)
    if images:
        rows = reader.option("pathGlobFilter", glob(IMAGE_SUFFIXES)).load(where)
        return Source(
            rows.select("path", "content"), "content", "path", True, len(suffixes) - images
        )
    if "parquet" in suffixes:
        rows = spark.read.parquet(where)
        return Source(rows, column, "path" if ("path", "string") in rows.dtypes else None, False)
    raise CaffeError(
        f"{where} has nothing to score: {len(suffixes)} files, of which none is an image "
        f"({', '.join(IMAGE_SUFFIXES)}) or Parquet"
    )


def glob(suffixes: tuple[str, ...]) -> str:
    """Return a pattern of Hadoop's for names that end so: the suffixes in any case."""
    either = [re.sub("[a-z]", lambda c: f"[{c[0]}{c[0].upper()}]", s) for s in suffixes]
    return f"*.{{{','.join(either)}}}"
