"""Arrow batches: how many rows Spark puts into one."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bigdl_caffe.spark.scoring import score_dataframe
from tests.spark.nets import small

pytestmark = pytest.mark.spark

ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"
LIMITS_BYTES = "spark.sql.execution.arrow.maxBytesPerBatch"


@pytest.fixture
def session(spark: SparkSession) -> SparkSession:
    """Return a session of its own settings, in which nobody has set any."""
    other = spark.newSession()
    other.conf.unset(ROWS)
    return other


def score(session: SparkSession, folder: Path, batch_size: int = 32) -> str | None:
    rows = session.createDataFrame([], "content binary")
    score_dataframe(small(folder), rows, batch_size=batch_size)
    return session.conf.get(ROWS)


@pytest.mark.parametrize("first", [1, 50, 5000])
def test_rows_are_limited_once_and_never_raised(
    session: SparkSession, tmp_path: Path, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    few = "128" if session.conf.isModifiable(LIMITS_BYTES) else "32"
    with caplog.at_level(logging.WARNING, "bigdl_caffe"):
        assert [score(session, tmp_path, size) for size in (first, 5000, 1)] == [few] * 3
    assert [ROWS in record.message for record in caplog.records] == [True]


def test_before_spark_4_1_batches_are_smaller(
    session: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """128 pictures of 17 MB are more than a column of Spark 3.5's Arrow batch can have."""
    monkeypatch.setattr(type(session.conf), "isModifiable", lambda *_: False)
    assert score(session, tmp_path) == "32"


@pytest.mark.parametrize("chosen", ["10000", "1000", "7"])
def test_a_number_that_someone_chose_stays(
    session: SparkSession, tmp_path: Path, chosen: str
) -> None:
    session.conf.set(ROWS, chosen)
    assert score(session, tmp_path) == chosen
