"""int8 nets on Spark: shipped at a quarter, scored as any, calibrated on a DataFrame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.spark import register_udf
from bigdl_caffe.spark.ship import ship
from tests.nets import DIGITS
from tests.quantize.nets import assert_alike, noise, residual

pytestmark = pytest.mark.spark


def test_a_frame_calibrates_as_its_rows_do(spark: SparkSession, tmp_path: Path) -> None:
    model, rows = residual(tmp_path), noise(20)
    df = spark.createDataFrame([(row.ravel().tolist(),) for row in rows], "x array<float>")
    made = model.quantize(df.coalesce(1), rows=16, input_col="x")
    assert_alike(made.scheme, model.quantize(rows[:16]).scheme)


def test_columns_of_any_name_calibrate(spark: SparkSession, tmp_path: Path) -> None:
    model, rows = residual(tmp_path), noise(8)
    data = [(i, f"row {i}", row.ravel().tolist()) for i, row in enumerate(rows)]
    df = spark.createDataFrame(data, "`a.b` int, `a.b` string, `x.y` array<float>").coalesce(1)
    made = model.quantize(df, feed={"x": "x.y"}, labels=[0, 1, 2, 3, 4, 0, 1, 2])
    assert_alike(made.scheme, model.quantize(rows).scheme)


def test_labels_take_rows_that_can_be_read(spark: SparkSession, tmp_path: Path) -> None:
    model, rows = residual(tmp_path), [[row.ravel().tolist()] for row in noise(6)]
    rows[2] = [None]
    df = spark.createDataFrame(rows, "x array<float>").coalesce(1)
    with pytest.raises(CaffeError, match=r"1 of the rows cannot be read \(x: is null.* labels"):
        model.quantize(df, input_col="x", labels=[0] * 6)
    assert model.quantize(df, input_col="x").report.rows == 5


def test_number_types_are_refused_at_once(spark: SparkSession, tmp_path: Path) -> None:
    model, rows = residual(tmp_path), noise(4)
    df = spark.createDataFrame([(row.ravel().tolist(),) for row in rows], "x array<float>")
    with pytest.raises(CaffeError, match="is int8, and dtype is 'float16'"):
        model.quantize(rows).predict(df, input_col="x", dtype="float16")


def test_pictures_calibrate_and_sql_scores(spark: SparkSession, lenet: Model) -> None:
    paths = sorted((DIGITS / "images").iterdir())[:24]
    images = spark.createDataFrame(
        [(p.name, p.read_bytes()) for p in paths], "name string, i binary"
    )
    recipe = lenet.recipe()
    model = lenet.quantize(images, input_col="i", recipe=recipe)
    assert model.report.rows == 24
    register_udf(spark, "digit8", model, recipe=recipe)
    images.createOrReplaceTempView("scans8")
    assert ship(spark, model).parcel.size < 0.6 * ship(spark, lenet).parcel.size  # text and all
    rows = spark.sql("select name, digit8(i) as prob from scans8").collect()
    plain = {
        r["name"]: r["prob"] for r in lenet.predict(images, input_col="i", recipe=recipe).collect()
    }
    for row in rows:
        np.testing.assert_allclose(row["prob"], plain[row["name"]], atol=0.1)
