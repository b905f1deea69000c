"""What a SQL function does with the columns of a call, and both ways to be called; no Spark."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import BinaryType, StructField, StructType

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark import udf
from bigdl_caffe.spark.plan import Scoring, plan
from bigdl_caffe.spark.udf import SqlFunction
from bigdl_caffe.spark.vectorized import OnArrow, OnPandas
from tests.spark.nets import small

TWO = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
"""
PAIR = pa.array([[1, 2], [3, 4], None], pa.list_(pa.float32()))
VECTORS = pa.array(
    [{"type": 1, "size": None, "indices": None, "values": [5.0, 6.0]}] * 3,
    pa.struct(
        {
            "type": pa.int8(),
            "size": pa.int32(),
            "indices": pa.list_(pa.int32()),
            "values": pa.list_(pa.float64()),
        }
    ),
)


@pytest.fixture(params=[1, 2])
def model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Model]:
    """Return a net that adds two pairs of numbers, and let functions find it and so many cores."""
    two = small(tmp_path, TWO)
    monkeypatch.setattr(udf, "prepare", lambda *_: two)
    monkeypatch.setattr(udf, "threads", lambda *_: request.param)
    yield two
    assert not [t for t in threading.enumerate() if t.name.startswith("bigdl-caffe-ahead")]


def function(model: Model, on_error: str = "null", **options: Any) -> SqlFunction:
    schema = StructType([StructField(name, BinaryType()) for name in "xy"])
    planned = plan(model, schema, Scoring(feed={"a": "x", "b": "y"}, **options))
    fields = tuple(field.name for field in planned.added)
    shipped: Any = SimpleNamespace(way="copy")  # nothing is sent
    return SqlFunction("add", planned.job, fields, on_error, shipped, b"")


def results(made: Iterator[pa.Array]) -> list[Any]:
    return [value for array in made for value in array.to_pylist()]


def test_each_batch_may_hold_other_types(model: Model) -> None:
    raw = pa.array([np.array([i, i], "<f4").tobytes() for i in range(3)])
    nothing = pa.nulls(3)
    calls = [(PAIR, VECTORS), (raw, VECTORS), (PAIR, nothing), (PAIR[:0], PAIR[:0])]
    found = results(function(model)(iter(calls)))
    assert found == [[6, 8], [8, 10], None, [5, 6], [6, 7], [7, 8], None, None, None]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((PAIR,), r"add\(a, b\) was called with 1 arguments"),
        ((), "called with 0 arguments"),
        ((PAIR, pa.array(["x"] * 3)), r"argument 2 of add\(\) is string, which the input 'b'"),
    ],
)
def test_calls_that_cannot_work(model: Model, columns: Any, message: str) -> None:
    with pytest.raises(CaffeError, match=message):
        results(function(model)(iter([columns])))


def test_fail_names_the_row_of_the_task(model: Model) -> None:
    calls = [(PAIR[:2], PAIR[:2]), (PAIR, PAIR)]
    with pytest.raises(CaffeError, match=r"add\(\): a: is null.* that is row 4 of those"):
        results(function(model, "fail")(iter(calls)))


def test_reasons_are_returned_or_logged(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    found = results(function(model, "struct")(iter([(PAIR, PAIR)])))
    assert found[1] == {"sum": [6, 8], "error": None}
    assert found[2]["sum"] is None
    assert "a: is null" in found[2]["error"]
    assert not caplog.records
    results(function(model)(iter([(PAIR, PAIR)])))
    assert "add() is null for 1 of 3 rows: {'a: is null" in caplog.text


@pytest.mark.parametrize("fetch", [["sum"], ["sum", "a"]])
def test_by_pandas_as_by_arrow(model: Model, fetch: list[str]) -> None:
    scored = function(model, fetch=fetch)
    (by_arrow,) = OnArrow(scored)(iter([(PAIR, VECTORS)]))
    frame = pa.RecordBatch.from_struct_array(VECTORS).to_pandas()
    (by_pandas,) = OnPandas(scored)(iter([(PAIR.to_pandas(), frame)]))
    if len(fetch) == 1:
        assert [None if x is None else list(x) for x in by_pandas] == by_arrow.to_pylist()
        return
    assert list(by_pandas.columns) == fetch
    for name in fetch:
        again = [None if x is None else list(x) for x in by_pandas[name]]
        assert again == [row and row[name] for row in by_arrow.to_pylist()]


def test_one_column_comes_by_itself() -> None:
    same = OnArrow(lambda calls: (columns[0] for columns in calls))
    assert list(same(iter([PAIR]))) == [PAIR]


def test_it_travels(model: Model) -> None:
    scored = function(model)
    assert pickle.loads(pickle.dumps(scored)) == scored
