"""Numbers in Arrow columns: arrays, vectors, raw tensors, structs of shape and data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigdl_caffe.spark.columns import Feed, read
from tests.spark.columns import BINARIES, GOOD, SHAPED, VECTOR, found, vector

CELLS = st.integers(-100, 100) | st.just(None)
FLAT = st.lists(CELLS, max_size=5) | st.lists(st.integers(-9, 9), min_size=4, max_size=4)
NESTED = st.lists(st.none() | st.lists(CELLS, min_size=1, max_size=3), max_size=3)
SQUARE = st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), min_size=2, max_size=2)
BYTES = st.lists(st.integers(-9, 9), max_size=5).map(lambda v: np.array(v, "<f4").tobytes())
PLACES = st.lists(st.integers(-1, 5), max_size=3)
SPARSE = PLACES.flatmap(
    lambda at: st.builds(vector, st.lists(CELLS, min_size=len(at), max_size=len(at)), st.just(at))
)
NUMBERS: dict[str, list[tuple[pa.DataType, st.SearchStrategy[Any]]]] = {
    "array": [
        (pa.list_(pa.float32()), FLAT),
        (pa.large_list(pa.int16()), FLAT),
        (pa.list_(pa.float64(), 4), st.lists(CELLS, min_size=4, max_size=4)),
        (pa.list_(pa.decimal128(10, 2)), FLAT),
        (pa.list_(pa.list_(pa.float32())), NESTED | SQUARE),
    ],
    "vector": [(VECTOR, st.builds(vector, FLAT) | SPARSE)],
    "shaped": [
        (
            SHAPED,
            st.fixed_dictionaries(
                {"shape": st.none() | st.sampled_from([[2, 2], [4], [1, 4], [], [-2, -2], [None]])}
                | {"data": st.none() | FLAT}
            ),
        )
    ],
    "tensor": [(kind, BYTES) for kind in BINARIES],
}


def plainly(kind: str, value: Any) -> list[float] | None:
    """Return four numbers as Python reads them, one row at a time, or None for a bad row."""
    if kind == "tensor" and value is not None:
        value = np.frombuffer(value, "<f4").tolist()
    if kind == "vector" and value is not None and value["type"] == 0:
        at = value["indices"]
        if at != sorted(set(at)) or not all(0 <= i < 4 for i in at):
            return None
        full = dict(zip(at, value["values"], strict=True))
        value = [full.get(i, 0) for i in range(4)]
    elif kind == "vector" and value is not None:
        value = value["values"]
    if kind == "shaped" and value is not None:
        sizes = value["shape"]
        value = value["data"] if sizes in ([2, 2], [4]) else None
    nested = isinstance(value, list) and any(isinstance(part, list) for part in value)
    if nested:
        if [isinstance(part, list) and len(part) for part in value] != [2, 2]:
            return None
        value = [number for part in value for number in part]
    return value if value is not None and len(value) == 4 and None not in value else None


@settings(deadline=None)
@given(st.data())
def test_numbers_are_what_python_reads_row_by_row(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(NUMBERS)))
    arrow, cells = data.draw(st.sampled_from(NUMBERS[kind]))
    rows = data.draw(st.lists(st.none() | cells, min_size=1, max_size=9))
    values, _ = found(rows, arrow, Feed("data", 0, kind, (2, 2)))
    assert values == [plainly(kind, row) for row in rows]


BAD_NUMBERS: list[tuple[str, Any, str]] = [
    ("vector", {"type": 0, "size": 4, "indices": None, "values": [1.0]}, "is null, or holds a"),
    ("vector", {"type": 0, "size": 4, "indices": [1], "values": None}, "is null, or holds a"),
    ("vector", {"type": 0, "size": 4, "indices": [1, None], "values": [1, 2]}, "holds a null"),
    ("vector", {"type": 0, "size": 4, "indices": [4], "values": [1.0]}, "ascending, below 4"),
    ("vector", {"type": 0, "size": 4, "indices": [2, 1], "values": [1, 2]}, "ascending, below 4"),
    ("vector", {"type": 0, "size": 4, "indices": [1, 2], "values": [1.0]}, "not one a value"),
    ("vector", {"type": 0, "size": None, "indices": [1], "values": [1.0]}, "shape None, not 4"),
    ("vector", {"type": 0, "size": 2**31 - 1, "indices": [], "values": []}, "shape 2147483647"),
    ("vector", {"type": 1, "size": None, "indices": None, "values": None}, "is null, or holds"),
    ("vector", {"type": 2, "size": 4, "indices": [], "values": []}, "neither 0"),
    ("vector", {"type": None, "size": 4, "indices": [], "values": []}, "is null, or holds a null"),
    ("vector", vector([1e300, 0, 0, 0]), "too large for float32"),
    ("shaped", {"shape": [4], "data": [1, 2, 3]}, "has the shape 3, not 4"),
    ("shaped", {"shape": [2, 2], "data": [1, 2, 3, 4]}, "has the shape 2×2, not 4"),
    ("tensor", bytes(20), "holds 20 bytes, not the 16 of 4 numbers of float32"),
    ("array", [1, 2, 3], "has the shape 3, not 4"),
]


@pytest.mark.parametrize(("kind", "value", "reason"), BAD_NUMBERS)
def test_bad_numbers_leave_the_others_alone(kind: str, value: Any, reason: str) -> None:
    arrow, good = GOOD[kind]
    values, errors = found([good, value, good], arrow, Feed("data", 0, kind, (4,)))
    assert values == [[1, 2, 3, 4], None, [1, 2, 3, 4]]
    assert (errors[1] or "").startswith("data: ")
    assert reason in (errors[1] or "")


@pytest.mark.parametrize("dtype", ["float16", "float64", "uint8", "int16", "int64"])
def test_raw_numbers_of_other_types(dtype: str) -> None:
    rows = [np.array(values, dtype).tobytes() for values in ([1, 2, 3, 4], [5, 6, 7, 8])]
    feed = Feed("data", 0, "tensor", (2, 2), dtype=dtype)
    for kind in BINARIES:
        assert found(rows, kind, feed)[0] == [[1, 2, 3, 4], [5, 6, 7, 8]]
    wrong = found([*rows, bytes(3)], pa.binary(), feed)[1][2]
    assert wrong is not None
    assert f"of 2×2 numbers of {dtype}" in wrong


def test_bytes_that_begin_anywhere_and_end_early() -> None:
    good = np.arange(4, dtype="<f4").tobytes()
    values, _ = found([b"x", good, good, b"", None], pa.binary(), Feed("data", 0, "tensor", (4,)))
    assert values == [None, [0, 1, 2, 3], [0, 1, 2, 3], None, None]


def test_numbers_feed_a_blob_of_one_value() -> None:
    for shape in ((), (1,), (1, 1, 1)):
        feed = Feed("data", 0, "array", shape)
        assert found([1.0, None, 3.0], pa.float64(), feed)[0] == [[1], None, [3]]


def test_float32_is_not_copied() -> None:
    numbers = np.arange(12, dtype=np.float32)
    lists = pa.ListArray.from_arrays(np.arange(0, 16, 4), pa.array(numbers))
    raw = pa.array([row.tobytes() for row in numbers.reshape(3, 4)])
    for kind, column in (("array", lists), ("tensor", raw)):
        values = read(column, Feed("data", 0, kind, (4,))).values
        buffer = column.buffers()[-1]
        assert values.__array_interface__["data"][0] == buffer.address
        np.testing.assert_array_equal(values, numbers.reshape(3, 4))
