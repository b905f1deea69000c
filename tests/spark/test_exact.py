"""The exact engine: a row's numbers depend on the row alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe import Model
from bigdl_caffe.spark import metrics as counting
from bigdl_caffe.spark.metrics import Metrics, Tally
from bigdl_caffe.spark.scoring import score_dataframe
from tests.spark.nets import png, small

pytestmark = pytest.mark.spark
ROWS = 100


@pytest.fixture(scope="module")
def images(spark: SparkSession) -> DataFrame:
    rows = [(i, bytearray(png(i) if i % 10 else b"broken")) for i in range(ROWS)]
    return spark.createDataFrame(rows, "id int, content binary")


def bits(df: DataFrame) -> dict[int, bytes | None]:
    return {row["id"]: row["ip"] and bytes(row["ip"]) for row in df.select("id", "ip").collect()}


def test_same_bits_whatever_the_partitions_and_batches(images: DataFrame, tmp_path: Path) -> None:
    model = small(tmp_path)
    options = {"fetch": ["ip"], "engine": "exact", "output_type": "binary"}
    found = [
        bits(score_dataframe(model, images.repartition(parts), batch_size=size, **options))
        for parts, size in ((1, 1000), (2, 32), (7, 1), (7, 1000))
    ]
    assert len(found[0]) == ROWS
    assert sum(value is None for value in found[0].values()) == ROWS // 10
    assert all(other == found[0] for other in found[1:])


def test_dtypes(images: DataFrame, tmp_path: Path) -> None:
    model = small(tmp_path)
    by_type = {
        name: np.array([row["ip"] for row in rows if row["ip"]])
        for name in ("float32", "float64", "bfloat16")
        if (rows := score_dataframe(model, images, fetch=["ip"], dtype=name).collect())
    }
    exact = by_type["float64"]
    for name, most in {"float32": 1e-5, "bfloat16": 3e-2}.items():
        error = np.abs(by_type[name] - exact).max() / np.abs(exact).max()
        assert 0 < error < most


def test_old_tasks_are_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "TASKS_KEPT", 10)
    known: counting.Tallies = {}
    for stage in range(1000):
        one = {(stage, 0): (0, f"host/{stage % 2}", Tally(tasks=1, rows=3))}
        known = counting._ByTask().addInPlace(known, one)
    assert len(known) <= 12
    assert sum(tally.rows for _, _, tally in known.values()) == 3000


def test_metrics(spark: SparkSession, images: DataFrame, lenet: Model, tmp_path: Path) -> None:
    metrics = Metrics(spark)
    scored = score_dataframe(small(tmp_path), images.repartition(3), metrics=metrics)
    assert metrics.total.rows == 0
    # Two tasks then do the work of three, one of them that of two partitions.
    scored.coalesce(2).write.format("noop").mode("overwrite").save()
    total = metrics.total
    assert (total.tasks, total.rows, total.failed) == (3, ROWS, ROWS // 10)
    assert sum(total.reasons.values()) == ROWS // 10
    assert total.load > 0 < total.decode
    (row,) = metrics.to_df().collect()
    assert (row["rows"], row["failed"]) == (ROWS, ROWS // 10)
    assert dict(row["reasons"]) == dict(total.reasons)
    assert row["rows_per_second"] > 0
