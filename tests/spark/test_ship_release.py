"""What was sent is freed: by release, by being forgotten, by the end of the session."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from bigdl_caffe.spark import ship as shipping
from bigdl_caffe.spark.ship import release, ship
from bigdl_caffe.spark.ways import mapped
from tests.spark.nets import SMALL, small
from tests.spark.shipping import Weights, arrivals, run_program, settings


@pytest.mark.spark
@pytest.mark.parametrize("way", ["mapped", "file", "copy"])
def test_release_frees_a_broadcast_and_using_the_model_sends_it_again(
    spark: SparkSession, way: str
) -> None:
    model: Any = Weights(30)
    with settings(spark, way=way):
        first = ship(spark, model)
        arrivals(spark, first)
        release(model, spark)
        assert not Path(first.carrier._path).exists()
        with pytest.raises(Py4JJavaError, match="after it was destroyed"):
            arrivals(spark, first)
        second = ship(spark, model)
    assert second is not first
    assert {digest for _, digest in arrivals(spark, second)} == {model.content_hash}
    release(model)
    release(model)  # nothing is left, and that is fine


@pytest.mark.spark
def test_release_leaves_a_twin_its_weights(spark: SparkSession) -> None:
    models: list[Any] = [Weights(31), Weights(31)]
    shipped = ship(spark, models[0])
    ship(spark, models[1])
    release(models[0])
    assert {digest for _, digest in arrivals(spark, shipped)} == {models[1].content_hash}
    release(models[1])
    assert not Path(shipped.carrier._path).exists()


@pytest.mark.spark
def test_a_lazy_frame_of_a_released_model_fails_with_sparks_words(
    spark: SparkSession, tmp_path: Path
) -> None:
    text = SMALL.replace('name: "small"', 'name: "released"')  # no worker has it open already
    model = small(tmp_path, text)
    rows = spark.createDataFrame([([0.5] * 192,)], "image array<float>")
    before = model.predict(rows)
    model.release()
    with pytest.raises(Exception, match="after it was destroyed"):
        before.collect()
    assert len(model.predict(rows).collect()) == 1


@pytest.mark.spark
def test_what_is_forgotten_goes_when_no_view_needs_it(spark: SparkSession, tmp_path: Path) -> None:
    model = small(tmp_path)
    rows = spark.createDataFrame([([0.5] * 192,)], "image array<float>")
    model.predict(rows).createOrReplaceTempView("scored")
    path = Path(ship(spark, model).carrier._path)
    del model, rows
    collect(spark)
    mapped._sweep()
    assert path.exists()
    assert len(spark.table("scored").collect()) == 1
    spark.catalog.dropTempView("scored")
    for _ in range(20):
        collect(spark)
        mapped._sweep()
        if not path.exists():
            break
        time.sleep(0.5)
    assert not path.exists()


def collect(spark: SparkSession) -> None:
    """Have both languages drop what nothing refers to."""
    gc.collect()
    spark.sparkContext._jvm.System.gc()


STOP = """
import subprocess, sys
from pathlib import Path
from pyspark.sql import SparkSession
from bigdl_caffe.spark.ship import release, ship
from tests.spark.shipping import Weights, arrivals

scratch = Path(sys.argv[1])
model, other = Weights(1), Weights(2)
for turn in range(2):
    spark = (
        SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "1g").config("spark.local.dir", sys.argv[1]).getOrCreate()
    )
    arrivals(spark, ship(spark, model))
    ship(spark, other)
    folders = {path.stat().st_mode & 0o77 for path in scratch.glob("blockmgr-*")}
    assert folders == {0}, folders
    spark.stop()
    left = [path for path in scratch.rglob("*") if path.is_file() and path.stat().st_size > 4096]
    assert not left, left
release(model)  # of contexts that have stopped
release(other)
print("done")
"""


@pytest.mark.spark
def test_a_session_that_stops_leaves_nothing(spark_env: dict[str, str], tmp_path: Path) -> None:
    assert run_program(spark_env, STOP, [str(tmp_path)]) == ["done"]


@pytest.mark.spark
def test_a_model_that_was_released_is_known_no_more(spark: SparkSession) -> None:
    model: Any = Weights(33)
    ship(spark, model)
    key = (spark.sparkContext.applicationId, model.content_hash, "mapped")
    assert key in shipping._shipped
    release(model)
    assert key not in shipping._shipped
