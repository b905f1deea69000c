"""SQL functions and RDDs read ahead as DataFrames do: what overlaps, and what is left of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import BinaryType, StructField, StructType

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.spark import rdd, udf
from bigdl_caffe.spark.plan import Scoring, plan
from bigdl_caffe.spark.rdd import RddTask
from bigdl_caffe.spark.udf import SqlFunction
from tests.spark.nets import small

TWICE = """
input: "x" input_shape { dim: 1 dim: 2 }
layer { name: "twice" type: "Power" bottom: "x" top: "twice" power_param { scale: 2 } }
"""
BATCH = 4
SHIPPED: Any = SimpleNamespace(way="copy")  # nothing is sent


class Source:
    """Rows that note how many were read."""

    def __init__(self, count: int, width: int = 1) -> None:
        self.count, self.width, self.read, self.closed = count, width, threading.Semaphore(0), False

    def __iter__(self) -> Iterator[Any]:
        try:
            for start in range(0, self.count, self.width):
                for _ in range(self.width):
                    self.read.release()
                yield self.made(start)
        finally:
            self.closed = True

    def made(self, start: int) -> Any:
        """Return a row."""
        return np.full(2, start, np.float32)


class Calls(Source):
    """The same as columns of a SQL function's calls."""

    def made(self, start: int) -> Any:
        """Return a call."""
        rows = [[float(row)] * 2 for row in range(start, start + self.width)]
        return (pa.array(rows, pa.list_(pa.float32())),)


class Waiting:
    """Doubles numbers, and ends no run before the next batch has been read."""

    def __init__(self, source: Source) -> None:
        self.source, self.left, self.first = source, source.count, True

    def __call__(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        wanted = min(self.left, BATCH * (1 + self.first))
        self.first, self.left = False, self.left - wanted
        assert all(self.source.read.acquire(timeout=10) for _ in range(wanted))
        return {"twice": 2 * feed["x"]}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """Return a net for tasks of two cores."""
    twice = small(tmp_path, TWICE)
    for module in (rdd, udf):
        monkeypatch.setattr(module, "prepare", lambda *_: twice)
        monkeypatch.setattr(module, "threads", lambda *_: 2)
    yield twice
    assert not [t for t in threading.enumerate() if t.name.startswith("bigdl-caffe-ahead")]


def function(model: Model, on_error: str = "null") -> SqlFunction:
    planned = plan(
        model,
        StructType([StructField("x", BinaryType())]),
        Scoring(feed={"x": "x"}, batch_size=BATCH),
    )
    fields = tuple(field.name for field in planned.added)
    return SqlFunction("twice", planned.job, fields, on_error, SHIPPED, b"")


def task() -> RddTask:
    return RddTask(SHIPPED, b"", ("twice",), BATCH, row_wise=True, engine="torch")


def firsts(made: Iterator[pa.Array]) -> list[float]:
    return [row[0] for array in made for row in array.to_pylist()]


def test_functions_read_the_next_rows_while_the_model_runs(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(24, width=3)  # whose borders are not those of batches
    monkeypatch.setattr(udf, "engine", lambda *_: Waiting(calls))
    made = function(model)(iter(calls))
    assert firsts(made) == [2 * row for row in range(24)]


def test_rdds_read_the_next_rows_while_the_model_runs(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Source(24)
    monkeypatch.setattr(rdd, "engine", lambda *_: Waiting(rows))
    found = [(element[0], top[0]) for element, (top,) in task()(iter(rows))]
    assert found == [(row, 2 * row) for row in range(24)]


def test_what_is_cut_short_reads_no_more(model: Model) -> None:
    calls, rows = Calls(4000, width=4), Source(4000)
    for source, made in ((calls, function(model)(iter(calls))), (rows, task()(iter(rows)))):
        next(made)
        made.close()
        assert source.closed
        assert source.read._value <= 4 * BATCH


def test_the_rows_before_an_error_come_first(model: Model) -> None:
    calls = [*Calls(8, width=4), (pa.array(["?"]),)]
    made = function(model)(iter(calls))
    assert [len(next(made)), len(next(made))] == [4, 4]
    with pytest.raises(CaffeError, match=r"argument 1 of twice\(\) is string"):
        next(made)
    scored = task()([*Source(9), np.zeros(3)])
    assert [next(scored)[0][0] for _ in range(8)] == list(range(8))
    with pytest.raises(ShapeError, match=r"row 9 of partition 0 has shape \(3,\)"):
        next(scored)


def test_a_row_that_fails_is_counted_from_the_tasks_first(model: Model) -> None:
    calls = [*Calls(8, width=4), (pa.array([[1.0, 2.0], None]),)]
    with pytest.raises(CaffeError, match=r"null.* that is row 9 of those"):
        list(function(model, "fail")(iter(calls)))
