"""Numbers in Arrow columns: arrays, vectors, raw tensors, structs of shape and data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigdl_caffe.spark.columns import Feed, gather, read
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


WHOLE = np.arange(40, dtype=np.uint8).reshape(10, 2, 2)
LAYOUTS: dict[str, tuple[str, pa.DataType]] = {
    "list": ("array", pa.list_(pa.float32())),
    "large list": ("array", pa.large_list(pa.float32())),
    "fixed-size list": ("array", pa.list_(pa.float32(), 4)),
    "bytes in lists": ("array", pa.list_(pa.uint8())),
    "lists of fixed-size lists": ("array", pa.list_(pa.list_(pa.float64(), 2))),
    "large lists of lists": ("array", pa.large_list(pa.list_(pa.int16()))),
    "fixed-size lists of large lists": ("array", pa.list_(pa.large_list(pa.int32()), 2)),
    "binary": ("tensor", pa.binary()),
    "large binary": ("tensor", pa.large_binary()),
    "shaped": ("shaped", SHAPED),
    "vector": ("vector", VECTOR),
}


def cell(kind: str, arrow: pa.DataType, row: np.ndarray[Any, Any]) -> Any:
    if kind == "tensor":
        return row.tobytes()
    if kind == "shaped":
        return {"shape": [[2, 2], [4], [1, 2, 2]][row[0, 0] % 3], "data": row.ravel().tolist()}
    if kind == "vector":
        return vector(row.ravel().tolist())
    numbers = row if pa.types.is_nested(arrow.value_type) else row.ravel()
    return numbers.tolist()


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("empty", [(), (0, 9), (3,)], ids=["full", "ends null", "one null"])
def test_every_layout_sliced_chunked_and_sent(name: str, empty: tuple[int, ...]) -> None:
    kind, arrow = LAYOUTS[name]
    cells = [None if i in empty else cell(kind, arrow, row) for i, row in enumerate(WHOLE)]
    whole = pa.array([cells[0], *cells, cells[0]], arrow)
    chunked = pa.chunked_array([whole.slice(1, 4), whole.slice(5, 0), whole.slice(5, 6)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("x", arrow)])) as out:
        out.write_batch(pa.record_batch([whole.slice(1, 10)], ["x"]))
    (sent,) = pa.ipc.open_stream(sink.getvalue())
    good = [i for i in range(10) if i not in empty]
    for column in (whole.slice(1, 10), chunked.combine_chunks(), sent.column(0)):
        rows = read(column, Feed("data", 0, kind, (2, 2), dtype="uint8"))
        np.testing.assert_array_equal(rows.values, WHOLE[good])
        assert rows.good.tolist() == good
        assert sorted(rows.errors) == list(empty)


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_row_but_nulls(name: str) -> None:
    kind, arrow = LAYOUTS[name]
    for column in (pa.nulls(3, arrow), pa.array([None] * 5, arrow).slice(1, 3)):
        rows = read(column, Feed("data", 0, kind, (2, 2), dtype="uint8"))
        assert rows.values.shape == (0, 2, 2)
        assert dict(rows.errors) == dict.fromkeys(range(3), "data: is null, or holds a null")


def test_two_inputs_give_one_reason_a_row() -> None:
    lists = pa.list_(pa.float32())
    columns = [pa.array(rows, lists) for rows in ([[1], [1], [], [1]], [[2], None, None, []])]
    batch = pa.record_batch(columns, ["a", "b"])
    feeds = [Feed("a", 0, "array", (1,)), Feed("b", 1, "array", (1,))]
    values, good, errors = gather(batch, feeds)
    assert ({blob: v.tolist() for blob, v in values.items()}, good.tolist()) == (
        {"a": [[1]], "b": [[2]]},
        [0],
    )
    assert list(errors) == [1, 2, 3]
    assert errors[2] == "a: has the shape 0, not 1; b: is null, or holds a null"


def test_shapes_of_no_axis_are_one_number() -> None:
    cells = [{"shape": [], "data": [5]}, {"shape": [1], "data": [6]}]
    assert found(cells, SHAPED, Feed("data", 0, "shaped", (1, 1)))[0] == [[5], [6]]
