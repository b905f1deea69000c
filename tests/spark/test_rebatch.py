"""Batches of the sizes that are wanted, whatever sizes come."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdl_caffe.spark import rebatch
from bigdl_caffe.spark.rebatch import in_batches_of, in_parts


def batches(sizes: Sequence[int]) -> list[pa.RecordBatch]:
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [
        pa.RecordBatch.from_pydict(
            {"id": pa.array(range(s, s + n), pa.int64()), "b": pa.array([b"x" * 10] * n)}
        )
        for s, n in zip(starts, sizes, strict=True)
    ]


@given(st.lists(st.integers(0, 20), max_size=12), st.integers(1, 30))
def test_every_row_once_in_order_in_full_batches(sizes: list[int], rows: int) -> None:
    out = list(in_batches_of(iter(batches(sizes)), rows))
    ids = [i for batch in out for i in batch.column(0).to_pylist()]
    assert ids == list(range(sum(sizes)))
    assert [batch.num_rows for batch in out[:-1]] == [rows] * (len(out) - 1)


def test_rows_that_are_large_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebatch, "WAITING_BYTES", 100)
    out = list(in_batches_of(iter(batches([5] * 6)), 30))
    assert sum(batch.num_rows for batch in out) == 30
    assert max(batch.num_rows for batch in out) <= 10


def test_large_batches_leave_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    (batch,) = batches([100])
    assert list(in_parts(batch)) == [batch]
    monkeypatch.setattr(rebatch, "OUT_BYTES", batch.nbytes // 10)
    parts = list(in_parts(batch))
    assert len(parts) == 10
    assert pa.Table.from_batches(parts).combine_chunks().to_batches() == [batch]
    assert list(in_parts(batch.slice(0, 0))) == []
