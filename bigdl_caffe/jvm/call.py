"""What goes between the JVM and Python: a call, and the answer to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe.model import Model


@dataclass(frozen=True)
class Call:
    """What the JVM asks.

    Attributes
    ----------
    arguments : dict of str to object
        By name: what JSON holds, models and DataFrames.
    spark : SparkSession or None
        The session that the caller is in.
    """

    arguments: dict[str, Any]
    spark: SparkSession | None = None


@dataclass(frozen=True)
class Answer:
    """What the JVM is told.

    Attributes
    ----------
    json : object
        Plain data.
    frame : DataFrame or None
    model : Model or None
        A new one, which the JVM will call by the id that it is told as "model".
    """

    json: Any = None
    frame: DataFrame | None = None
    model: Model | None = None
