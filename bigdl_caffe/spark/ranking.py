"""From scores to classes: predictions, the best few with their labels, and the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import read_bytes

PREDICTION, TOP, TRUTH = "prediction", "top", "truth"
"""Columns that are added: the class, the best classes, the class that is right."""


def largest(column: Column) -> Column:
    """Return the 0-based position of an array column's largest number, the first of equals."""
    # Spark 3.5's own F.array_position takes no column for the value.
    found = F.call_function("array_position", column, F.array_max(column))
    return (found - 1).cast("int")


def best(column: Column, count: int, labels: Sequence[str] = ()) -> Column:
    """Return the ``count`` largest numbers of an array column, the largest first.

    Returns
    -------
    Column
        Array of struct (class: int, score: float, label: string if there are labels).
    """
    paired = F.transform(column, lambda p, i: F.struct((-p).alias("minus"), i.alias("class")))
    # One literal, which Spark parses once: a literal a label is slow to plan.
    names = F.from_json(F.lit(json.dumps(list(labels))), "array<string>")

    def entry(pair: Column) -> Column:
        fields = [pair["class"].alias("class"), (-pair["minus"]).alias("score")]
        return F.struct(*fields, *([names[pair["class"]].alias("label")] if labels else []))

    return F.transform(F.slice(F.array_sort(paired), 1, count), entry)


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
