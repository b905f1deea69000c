"""Scoring Arrow batches, without Spark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.batches import ScoreJob, score_batches
from bigdl_caffe.spark.columns import Feed
from bigdl_caffe.spark.metrics import Tally
from bigdl_caffe.spark.outputs import Output

FLAT = Feed("data", 1, "array", (4,))
BOTH = (Output("twice", "twice"), Output("sum", "sum", "float"))


class Arithmetic:
    """A model of one or two inputs that doubles and sums; it cannot take a negative number."""

    inputs = ("data", "bias")

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def reset(self) -> None:
        """Nothing is remembered."""

    def run(self, feed: Mapping[str, Any], fetch: Sequence[str]) -> dict[str, Any]:
        data = feed["data"] + feed.get("bias", np.float32(0))
        self.sizes.append(len(data))
        if (data < 0).any():
            raise IndexError("below the table")
        flat = data.reshape(len(data), -1)
        return {k: v for k, v in (("twice", 2 * data), ("sum", flat.sum(1))) if k in fetch}


def batches(columns: Mapping[str, Any], *sizes: int) -> Iterator[pa.RecordBatch]:
    whole = pa.RecordBatch.from_pydict(dict(columns))
    start = 0
    for size in sizes or (whole.num_rows,):
        yield whole.slice(start, size)
        start += size


def scored(
    batches: Iterator[pa.RecordBatch], job: ScoreJob, model: Any, **how: Any
) -> Iterator[pa.RecordBatch]:
    """Score by the model itself, which no engine knows."""
    return score_batches(batches, job, model, run=partial(model.run, fetch=job.fetch), **how)


def score(columns: Mapping[str, Any], *sizes: int, **job: Any) -> dict[str, list[Any]]:
    todo = ScoreJob(**{"feeds": (FLAT,), "outputs": BOTH, **job})
    found = list(scored(batches(columns, *sizes), todo, Arithmetic()))
    return pa.Table.from_batches(found).to_pydict()


def rows(n: int) -> list[list[float]]:
    return np.arange(4.0 * n).reshape(n, 4).tolist()


def table(data: Sequence[Any], kind: pa.DataType | None = None) -> dict[str, Any]:
    return {
        "id": pa.array(range(len(data)), pa.int32()),
        "x": pa.array(data, kind or pa.list_(pa.float32())),
    }


@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000])
@pytest.mark.parametrize("sizes", [(50,), (1, 0, 33, 16)])
def test_rows_come_out_as_they_went_in(batch_size: int, sizes: tuple[int, ...]) -> None:
    data = rows(50)
    out = score(table(data), *sizes, batch_size=batch_size)
    assert out["id"] == list(range(50))
    assert out["x"] == data
    assert out["twice"] == (2 * np.array(data)).tolist()
    assert out["sum"] == np.sum(data, 1).tolist()
    assert out["error"] == [None] * 50


def test_a_partition_may_have_any_number_of_batches() -> None:
    assert score(table(rows(700)), batch_size=1)["id"] == list(range(700))


def test_no_batch_gives_no_batch() -> None:
    model: Any = Arithmetic()
    assert list(scored(iter([]), ScoreJob((FLAT,), BOTH), model)) == []
    assert list(scored(batches(table([])), ScoreJob((FLAT,), BOTH), model)) == []


BAD: list[tuple[Any, str]] = [
    (None, "is null"),
    ([1, None, 3, 4], "holds a null"),
    ([1, 2, 3], "has the shape 3, not 4"),
    ([], "has the shape 0, not 4"),
    ([-1, 0, 0, 0], "IndexError: below the table"),
]


@pytest.mark.parametrize(("value", "reason"), BAD)
@pytest.mark.parametrize("row_wise", [True, False])
def test_a_bad_row_leaves_the_others_alone(value: Any, reason: str, row_wise: bool) -> None:
    data: list[Any] = rows(10)
    data[3] = value
    out = score(table(data), batch_size=4, row_wise=row_wise)
    assert reason in out["error"][3]
    assert (out["twice"][3], out["sum"][3]) == (None, None)
    for i in set(range(10)) - {3}:
        assert out["twice"][i] == [2 * v for v in data[i]]
        assert out["error"][i] is None


def test_all_rows_bad() -> None:
    out = score(table([None, [1.0]]))
    assert out["twice"] == out["sum"] == [None, None]
    assert all(out["error"])


def test_drop_leaves_bad_rows_out() -> None:
    out = score(table([None, *rows(2), [1.0]]), on_error="drop")
    assert out["id"] == [1, 2]
    assert "error" not in out


def test_fail_names_the_row() -> None:
    job = {"on_error": "fail", "keys": (("id", 0),), "batch_size": 2}
    with pytest.raises(CaffeError, match=r"row 5 of partition 0 \(id=5\): data: is null"):
        score(table([*rows(5), None]), **job)


def test_tally_counts_rows_and_failures_by_reason() -> None:
    tally = Tally(tasks=1)
    job = ScoreJob((FLAT,), BOTH, batch_size=2, on_error="drop")
    model: Any = Arithmetic()
    data = [None, *rows(2), [1.0], [1.0, 2.0]]
    found = list(scored(batches(table(data)), job, model, tally=tally))
    assert sum(batch.num_rows for batch in found) == 2
    assert (tally.rows, tally.failed) == (5, 3)
    assert tally.reasons == {
        "data: is null, or holds a null": 1,
        "data: has the shape …, not …": 2,
    }
    assert tally.decode > 0 < tally.infer


def test_a_net_that_is_not_row_wise_sees_one_row_at_a_time() -> None:
    model: Any = Arithmetic()
    job = ScoreJob((FLAT,), BOTH, row_wise=False)
    list(scored(batches(table(rows(5))), job, model))
    assert model.sizes == [1] * 5


@pytest.mark.parametrize(
    ("kind", "nested"),
    [
        (pa.list_(pa.float64()), False),
        (pa.list_(pa.int16()), False),
        (pa.large_list(pa.float32()), False),
        (pa.list_(pa.list_(pa.float32())), True),
    ],
)
def test_kinds_of_arrays(kind: pa.DataType, nested: bool) -> None:
    data = np.arange(12).reshape(3, 2, 2)
    feed = Feed("data", 1, "array", (1, 2, 2))
    given = data.tolist() if nested else data.reshape(3, 4).tolist()
    out = score(table(given, kind), feeds=(feed,))
    assert out["twice"] == (2 * data.reshape(3, 4)).tolist()


def test_nested_lists_of_another_shape_are_refused() -> None:
    feed = Feed("data", 1, "array", (1, 2, 2))
    good = [[0, 1], [2, 3]]
    kind = pa.list_(pa.list_(pa.float32()))
    out = score(table([good, [[0, 1, 2, 3]], [[0], [1, 2, 3]], good], kind), feeds=(feed,))
    assert out["error"] == [
        None,
        "data: has the shape 1×4, not 1×2×2",
        "data: its lists have different lengths",
        None,
    ]


def test_numbers_feed_a_blob_of_one_value() -> None:
    out = score(table([1.0, None, 3.0], pa.float64()), feeds=(Feed("data", 1, "array", (1,)),))
    assert out["sum"] == [1, None, 3]


def test_a_row_must_be_good_in_every_column() -> None:
    columns = table([*rows(3), None])
    columns["bias"] = pa.array([[1.0] * 4, [2.0], [3.0] * 4, None])
    out = score(columns, feeds=(FLAT, Feed("bias", 2, "array", (4,))))
    assert out["sum"] == [6 + 4, None, 38 + 12, None]
    assert out["error"][1] == "bias: has the shape 1, not 4"
    assert out["error"][3] == "data: is null, or holds a null; bias: is null, or holds a null"


def test_no_more_rows_are_held_than_a_batch_needs() -> None:
    read = 0

    def coming() -> Iterator[pa.RecordBatch]:
        nonlocal read
        for batch in batches(table(rows(1000)), *[10] * 100):
            read += batch.num_rows
            yield batch

    model: Any = Arithmetic()
    done = 0
    for batch in scored(coming(), ScoreJob((FLAT,), BOTH, batch_size=32), model):
        done += batch.num_rows
        assert read - done < 10  # what remains of the last batch that was read
    assert done == 1000


class Small(Arithmetic):
    """A model on a machine that has memory for four rows."""

    def run(self, feed: Mapping[str, Any], fetch: Sequence[str]) -> dict[str, Any]:
        if len(feed["data"]) > 4:
            self.sizes.append(len(feed["data"]))
            raise MemoryError("no room")
        return super().run(feed, fetch)


def test_rows_are_halved_until_there_is_memory_for_them() -> None:
    model: Any = Small()
    found = scored(batches(table(rows(50))), ScoreJob((FLAT,), BOTH, batch_size=30), model)
    out = pa.Table.from_batches(found).to_pydict()
    assert out["twice"] == (2 * np.array(rows(50))).tolist()
    assert out["error"] == [None] * 50
    tried = [size for size in model.sizes if size > 4]
    assert tried == [30, 15, 7]  # what did not fit is not tried again soon


def test_a_row_too_large_for_memory_is_its_own_error() -> None:
    class Crowded(Arithmetic):
        def run(self, feed: Mapping[str, Any], fetch: Sequence[str]) -> dict[str, Any]:
            if (feed["data"] == 8).any():  # in the third row
                raise MemoryError("no room")
            return super().run(feed, fetch)

    model: Any = Crowded()
    found = scored(batches(table(rows(5))), ScoreJob((FLAT,), BOTH), model)
    out = pa.Table.from_batches(found).to_pydict()
    assert out["error"] == [None, None, "MemoryError: no room", None, None]
    model = Crowded()
    job = ScoreJob((FLAT,), BOTH, batch_size=4)
    list(scored(batches(table(rows(400))), job, model))
    assert model.sizes[-1] == 4  # and the rows after it are run together again


def test_a_bad_row_is_found_by_halves() -> None:
    model: Any = Arithmetic()
    data: list[Any] = rows(64)
    data[40] = [-1.0] * 4
    list(scored(batches(table(data)), ScoreJob((FLAT,), BOTH, batch_size=64), model))
    assert len(model.sizes) == 1 + 2 * 6
