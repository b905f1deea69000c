"""The names of classes, and the truth: files of labels, and rows joined with them."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import read_bytes

PREDICTION, TOP, TRUTH = "prediction", "top", "truth"
"""Columns that are added: the class, the best classes, the class that is right."""


def with_truth(rows: DataFrame, path: str, truth: Mapping[str, int]) -> DataFrame:
    """Add the right class of each row whose path ends with a name of ``truth``."""
    added = rows
    depths = sorted({name.count("/") for name in truth}, reverse=True)  # the longest name wins
    for depth in depths:
        pairs = [(name, label) for name, label in truth.items() if name.count("/") == depth]
        known = rows.sparkSession.createDataFrame(pairs, f"_name{depth} string, _truth{depth} int")
        ending = F.substring_index(F.col(f"`{path}`"), "/", -1 - depth)
        added = added.join(F.broadcast(known), ending == F.col(f"_name{depth}"), "left")
    found = F.coalesce(*(F.col(f"_truth{d}") for d in depths))
    names = [f"{kind}{depth}" for kind in ("_name", "_truth") for depth in depths]
    return added.withColumn(TRUTH, found).drop(*names)


def read_lines(path: str) -> list[str]:
    """Return the lines of a text file of labels, without the empty ones at the end."""
    return _text(path).rstrip().splitlines()


def read_truth(path: str) -> dict[str, int]:
    """Read "path label" lines, as Caffe's ImageData layer has them.

    Raises
    ------
    CaffeError
        A line is not of that form, or there is none.
    """
    truth = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        name, _, label = line.strip().rpartition(" ")
        if not line.strip():
            continue
        if not name or not label.isdecimal():
            raise CaffeError(f"{path}:{number}: '{line}' is not a path, a space and a class number")
        truth[name.strip().removeprefix("./").lstrip("/")] = int(label)
    if not truth:
        raise CaffeError(f"{path} is empty: give lines of a path, a space and a class number")
    return truth


def _text(path: str) -> str:
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaffeError(f"{path} is not a text file in UTF-8: {error}") from error
