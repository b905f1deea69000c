"""Batches that are read and decoded while the model runs: the same rows, and nothing left over."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark import batches as scoring
from bigdl_caffe.spark.batches import ScoreJob
from bigdl_caffe.spark.metrics import Tally
from tests.spark.test_batches import BOTH, FLAT, Arithmetic, Small, batches, rows, scored, table


def overlapped(model: Any, data: Sequence[Any], **how: Any) -> Iterator[pa.RecordBatch]:
    tally = how.pop("tally", None)
    job = ScoreJob((FLAT,), BOTH, **{"batch_size": 8, **how})
    return scored(batches(table(data)), job, model, tally=tally, threads=2)


def left_running() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("bigdl-caffe-ahead")]


@pytest.mark.parametrize("on_error", ["column", "drop"])
def test_rows_and_errors_are_those_of_one_thread(on_error: str) -> None:
    data: list[Any] = [*rows(50), None, [1.0], *rows(9)]
    tally = Tally()
    found = overlapped(Arithmetic(), data, on_error=on_error, tally=tally)
    job = ScoreJob((FLAT,), BOTH, batch_size=8, on_error=on_error)
    alone = scored(batches(table(data)), job, Arithmetic())
    assert pa.Table.from_batches(found) == pa.Table.from_batches(alone)
    assert (tally.rows, tally.failed) == (61, 2)
    assert tally.decode > 0
    assert not left_running()


def test_the_next_batch_is_gathered_while_the_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    gathered = threading.Semaphore(0)
    gather = scoring.gather

    def noted(*given: Any) -> Any:
        result = gather(*given)
        gathered.release()
        return result

    class Waiting(Arithmetic):
        """Ends no run before the next batch, if there is one, has been gathered."""

        def run(self, feed: Mapping[str, Any], fetch: Sequence[str]) -> dict[str, Any]:
            wanted = 1 if self.sizes else 2
            assert len(self.sizes) == 2 or all(gathered.acquire(timeout=10) for _ in range(wanted))
            return super().run(feed, fetch)

    monkeypatch.setattr(scoring, "gather", noted)
    out = pa.Table.from_batches(overlapped(Waiting(), rows(24))).to_pydict()
    assert out["error"] == [None] * 24
    assert out["twice"] == (2 * np.array(rows(24))).tolist()


def test_memory_that_is_short_halves_batches_here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    gather = scoring.gather

    def crowded(batch: pa.RecordBatch, *given: Any) -> Any:
        if batch.num_rows > 6:
            raise MemoryError("no room")
        return gather(batch, *given)

    monkeypatch.setattr(scoring, "gather", crowded)
    model = Small()
    out = pa.Table.from_batches(overlapped(model, rows(50), batch_size=30)).to_pydict()
    assert out["twice"] == (2 * np.array(rows(50))).tolist()
    assert out["error"] == [None] * 50
    assert max(model.sizes) <= 4


def test_a_failing_row_ends_the_thread() -> None:
    data: list[Any] = rows(800)
    data[20] = None
    with pytest.raises(CaffeError, match="row 20 of partition 0"):
        list(overlapped(Arithmetic(), data, on_error="fail"))
    assert not left_running()


def test_a_task_that_is_cut_short_ends_the_thread() -> None:
    found: Any = overlapped(Arithmetic(), rows(800))
    assert next(found).num_rows == 8
    found.close()
    assert not left_running()


def test_an_error_of_the_source_comes_after_the_rows_before_it() -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from batches(table(rows(16)))
        raise OSError("gone")

    job = ScoreJob((FLAT,), BOTH, batch_size=8)
    found = scored(broken(), job, Arithmetic(), threads=2)
    assert [next(found).num_rows, next(found).num_rows] == [8, 8]
    with pytest.raises(OSError, match="gone"):
        next(found)
    assert not left_running()
