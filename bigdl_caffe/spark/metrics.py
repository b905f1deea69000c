"""What a scoring job did: rows, errors by reason, and where the seconds went, by executor.

A `Tally` counts within one task and travels to the driver as the task ends; `Metrics` holds
the tallies of all tasks there. A task that ran twice counts once.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyspark.accumulators import AccumulatorParam

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.ways import is_connect

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REASONS_KEPT = 20
"""Reasons that one task tells apart; the others are counted together."""

OTHERS = "other reasons"
_LONGEST = 120
_VARIES = re.compile(r"""'[^']*'|"[^"]*"|\d+(?:[.,×x]\d+)*""")


@dataclass
class Tally:
    """Counts of one task, or the sum of several.

    Attributes
    ----------
    tasks, rows, failed : int
        Rows that were tried, and those of them that could not be scored.
    reasons : Counter of str
        Of the failed, without what varies from row to row.
    load, decode, infer : float
        Seconds spent to open the model, to read and prepare inputs, and in the model.
    """

    tasks: int = 0
    rows: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    load: float = 0.0
    decode: float = 0.0
    infer: float = 0.0

    def count(self, rows: int, errors: Collection[str]) -> None:
        """Count the rows of a batch, and those that failed by their errors."""
        self.rows += rows
        self.failed += len(errors)
        for error in errors:
            reason = _VARIES.sub("…", error)[:_LONGEST]
            known = reason in self.reasons or len(self.reasons) < REASONS_KEPT
            self.reasons[reason if known else OTHERS] += 1

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the seconds of the context to "load", "decode" or "infer"."""
        start = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, what, getattr(self, what) + time.perf_counter() - start)

    def add(self, other: Tally) -> None:
        """Add another's counts."""
        self.reasons.update(other.reasons)
        for name in ("tasks", "rows", "failed", "load", "decode", "infer"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def rate(self) -> float:
        """Rows a second of one task at a time."""
        seconds = self.load + self.decode + self.infer
        return self.rows / seconds if seconds else 0.0


TaskKey = tuple[int, int]
"""Stage and partition: an attempt at the same work replaces an earlier one."""

TASKS_KEPT = 20_000
"""Tasks that are told apart; of those before them the sums by executor are kept."""

Tallies = dict["TaskKey | str", tuple[int, str, Tally]]
"""Of each task, its attempt, its executor and its counts; of old ones, by the executor alone."""


class _ByTask(AccumulatorParam[Tallies]):
    """Joins what tasks tell: one does in parts where coalesce() or two models are in a stage."""

    def zero(self, value: Tallies) -> Tallies:
        """Return no tasks."""
        return {}

    def addInPlace(self, value1: Tallies, value2: Tallies) -> Tallies:  # noqa: N802 (Spark's name)
        """Add tasks to those that are known."""
        for key, (attempt, executor, tally) in value2.items():
            total = Tally()
            if key in value1 and value1[key][0] == attempt:
                total.add(value1[key][2])
            total.add(tally)
            value1[key] = attempt, executor, total
        if len(value1) > TASKS_KEPT:
            _fold(value1)
        return value1


def _fold(tallies: Tallies) -> None:
    """Sum up the older half of the tasks: a stream has no end of them."""
    for key in list(tallies)[: len(tallies) // 2]:
        _, executor, tally = tallies.pop(key)
        total = tallies.setdefault(executor, (0, executor, Tally()))[2]
        total.add(tally)


class Metrics:
    """Counts of the jobs that were given it, up to date with every task that ended.

    Parameters
    ----------
    spark : SparkSession
        Whose jobs are counted.

    Raises
    ------
    CaffeError
        The session is one of Spark Connect, which has no accumulators.
    """

    def __init__(self, spark: SparkSession) -> None:
        if is_connect(spark):
            raise CaffeError(
                "Spark Connect has no accumulators, so its jobs cannot be counted while they run: "
                "leave metrics out, and count the error column of the result"
            )
        self._spark = spark
        self.tallies = spark.sparkContext.accumulator({}, _ByTask())

    @property
    def total(self) -> Tally:
        """The sum over all tasks."""
        total = Tally()
        for _, _, tally in list(self.tallies.value.values()):
            total.add(tally)
        return total

    @property
    def executors(self) -> Mapping[str, Tally]:
        """The sum for each executor, named "host/process"."""
        found: dict[str, Tally] = {}
        for _, executor, tally in list(self.tallies.value.values()):
            found.setdefault(executor, Tally()).add(tally)
        return found

    def to_df(self) -> DataFrame:
        """Return a row for each executor.

        Returns
        -------
        DataFrame
            executor, tasks, rows, failed, reasons (map of reason to rows), load_seconds,
            decode_seconds, infer_seconds (summed over tasks), rows_per_second (of a task).
        """
        rows: list[tuple[Any, ...]] = [
            (name, t.tasks, t.rows, t.failed, dict(t.reasons), t.load, t.decode, t.infer, t.rate)
            for name, t in sorted(self.executors.items())
        ]
        return self._spark.createDataFrame(
            rows,
            "executor string, tasks bigint, rows bigint, failed bigint, "
            "reasons map<string,bigint>, load_seconds double, decode_seconds double, "
            "infer_seconds double, rows_per_second double",
        )
