"""Blobs become columns of every kind, without Spark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bigdl_caffe.spark.outputs import Output, column, made

VALID = np.array([True, False, True, True, False])
GOOD = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
GOOD[2, 1, 3] = GOOD[2, 0, 0]  # equal scores
PARTS = [GOOD[:2], GOOD[2:]]


def build(kind: str, parts: Any = PARTS, row_wise: bool = True, **options: Any) -> list[Any]:
    array = column(Output("blob", "c", kind, **options), made(parts, row_wise, VALID))
    array.validate(full=True)
    found: list[Any] = array.to_pylist()
    assert [value is None for value in found] == (~VALID).tolist()
    return [value for value in found if value is not None]


def test_array() -> None:
    assert build("array") == GOOD.reshape(3, 8).tolist()


def test_float() -> None:
    assert build("float", [np.float32([1, 2]), np.float32([3])]) == [1, 2, 3]


def test_vector() -> None:
    rows = build("vector")
    assert [row["values"] for row in rows] == GOOD.reshape(3, 8).tolist()
    assert {(row["type"], row["size"], row["indices"]) for row in rows} == {(1, None, None)}


def test_binary() -> None:
    assert build("binary") == [row.astype("<f4").tobytes() for row in GOOD]


def test_struct() -> None:
    rows = build("struct")
    assert [row["shape"] for row in rows] == [[2, 4]] * 3
    assert [row["data"] for row in rows] == GOOD.reshape(3, 8).tolist()


def test_lists_of_detections_differ_in_length() -> None:
    parts = [np.zeros((1, 1, n, 7), np.float32) for n in (3, 0, 1)]
    rows = build("struct", parts, row_wise=False)
    assert [row["shape"] for row in rows] == [[1, 1, 3, 7], [1, 1, 0, 7], [1, 1, 1, 7]]
    assert [len(row["data"]) for row in rows] == [21, 0, 7]
    assert [len(row) for row in build("array", parts, row_wise=False)] == [21, 0, 7]


def test_classes() -> None:
    scores = np.float32([[0, 2, 2], [5, 1, 1], [0, 0, 9]])
    assert build("class", [scores]) == build("prediction", [scores]) == [1, 0, 2]
    assert isinstance(build("prediction", [scores])[0], float)


@pytest.mark.parametrize("top", [1, 2, 3, 9])
def test_top(top: int) -> None:
    scores = np.float32([[0, 2, 2], [5, 1, 3], [0, 0, 9]])
    rows = build("top", [scores[:1], scores[1:]], top=top, labels=("cat", "dog", "owl"))
    order = [[1, 2, 0], [0, 2, 1], [2, 0, 1]]
    assert [[e["class"] for e in row] for row in rows] == [o[:top] for o in order]
    assert [[e["score"] for e in row] for row in rows] == [
        scores[i][o[:top]].tolist() for i, o in enumerate(order)
    ]
    assert [e["label"] for e in rows[0]] == ["dog", "owl", "cat"][:top]


def test_the_best_class_is_the_one_predicted_whatever_the_numbers() -> None:
    scores = np.float32([[0, np.nan, np.nan], [np.inf, -np.inf, np.nan], [-np.inf, 1, 1]])
    best = [row[0]["class"] for row in build("top", [scores], top=1)]
    assert best == build("class", [scores]) == [1, 2, 1]


@pytest.mark.parametrize("kind", ["array", "float", "vector", "binary", "struct", "class", "top"])
def test_no_row_is_good(kind: str) -> None:
    array = column(Output("blob", "c", kind, top=2), made([], True, np.zeros(3, bool)))
    array.validate(full=True)
    assert array.to_pylist() == [None] * 3


@pytest.mark.parametrize("kind", ["array", "binary", "struct", "vector"])
def test_rows_without_errors_have_no_nulls(kind: str) -> None:
    array = column(Output("blob", "c", kind), made(PARTS, True, np.ones(3, bool)))
    array.validate(full=True)
    assert (len(array), array.null_count) == (3, 0)
