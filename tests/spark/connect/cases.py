"""What is of Spark Connect alone: `test_connect` runs it in a process with such a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark import CaffeModel, Metrics, register_udf, ship
from bigdl_caffe.spark.sources import sequence_file
from bigdl_caffe.spark.ways import shared
from tests.conftest import ON_CONNECT
from tests.nets import TWO_IN, net
from tests.paths import REPO
from tests.spark.nets import assert_close, blobs, png, small

pytestmark = [pytest.mark.spark, pytest.mark.skipif(not ON_CONNECT, reason="see test_connect")]

WIDE = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 140000 weight_filler { type: "xavier" } } }
layer { name: "mean" type: "Reduction" bottom: "ip" top: "mean"
  reduction_param { operation: MEAN axis: 1 } }
"""


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return small(tmp_path)


def images(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(
        [(i, bytearray(png(i))) for i in range(4)], "id int, content binary"
    )


def check(rows: list[Any], model: Model) -> None:
    expected = model.run({"data": blobs(range(4))}, ["prob"])["prob"]
    assert_close([row["prob"] for row in sorted(rows, key=lambda row: row["id"])], expected)


def test_classes(spark: SparkSession, model: Model) -> None:
    rows = model.predict_class(images(spark), fetch="prob").orderBy("id").collect()
    expected = model.run({"data": blobs(range(4))}, ["prob"])["prob"].argmax(1)
    assert [row["prediction"] for row in rows] == expected.tolist()
    with pytest.raises(CaffeError, match="not one list of scores"):
        model.predict_class(images(spark), fetch="best")


def test_two_inputs(spark: SparkSession, tmp_path: Path) -> None:
    two = net(tmp_path, TWO_IN)
    x, y = (np.arange(1, 1 + int(np.prod(shape[1:]))) for shape in two.inputs.values())
    df = spark.createDataFrame([(x.tolist(), y.tolist())], "x array<double>, y array<double>")
    (row,) = two.predict(df, feed=dict(zip(two.inputs, "xy", strict=True))).collect()
    feed = {b: v.reshape(1, *s[1:]) for (b, s), v in zip(two.inputs.items(), (x, y), strict=True)}
    for blob, expected in two.run(feed).items():
        assert_close(row[blob], expected.reshape(-1))


def test_weights_of_100_mb_travel_as_an_artifact(spark: SparkSession, tmp_path: Path) -> None:
    wide = small(tmp_path, WIDE)
    sent = ship.ship(spark, wide)
    assert (sent.way, sent.parcel.size > 100e6) == ("artifact", True)
    rows = wide.predict(images(spark), fetch=["mean"]).collect()
    expected = wide.run({"data": blobs(range(4))}, ["mean"])["mean"]
    assert_close([row["mean"] for row in sorted(rows, key=lambda row: row["id"])], expected)


def test_weights_travel_by_a_shared_folder(
    spark: SparkSession, model: Model, tmp_path: Path
) -> None:
    spark.conf.set(shared.FOLDER, str(tmp_path))
    try:
        assert ship.ship(spark, model).way == "path"
        check(model.predict(images(spark), fetch=["prob"]).collect(), model)
    finally:
        spark.conf.unset(shared.FOLDER)


def test_two_sessions_each_have_the_model(spark: SparkSession, model: Model) -> None:
    other = spark.newSession()
    for session in (spark, other, spark):
        check(model.predict(images(session), fetch=["prob"]).collect(), model)
    register_udf(other, "only_here", model)
    with pytest.raises(Exception, match="only_here"):
        spark.sql("select only_here(array(1))").collect()
    model.release(other)
    check(model.predict(images(spark), fetch=["prob"]).collect(), model)


def test_a_stream(spark: SparkSession, model: Model, tmp_path: Path) -> None:
    images(spark).write.parquet(str(tmp_path / "in"))
    stage = CaffeModel(model, inputCol="content", fetchDict={"prob": "prob"})
    rows = spark.readStream.schema("id int, content binary").parquet(str(tmp_path / "in"))
    query = (
        stage.transform(rows)
        .writeStream.format("parquet")
        .option("path", str(tmp_path / "out"))
        .option("checkpointLocation", str(tmp_path / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(120)
    check(spark.read.parquet(str(tmp_path / "out")).collect(), model)


def ship_by(way: str) -> Callable[[SparkSession, Model], object]:
    def score(spark: SparkSession, model: Model) -> object:
        spark.conf.set(ship.CONF, way)
        try:
            return model.predict(images(spark))
        finally:
            spark.conf.unset(ship.CONF)

    return score


REFUSED: list[tuple[str, Callable[[SparkSession, Model], object], str]] = [
    ("`Metrics`", lambda spark, model: Metrics(spark), "Spark Connect has no accumulators"),
    ("`sequence_file`", lambda spark, model: sequence_file(spark, "x"), "Spark Connect lacks"),
    ("`mapped`", ship_by("mapped"), "this Spark session cannot do"),
    ("`file`", ship_by("file"), "this Spark session cannot do"),
    ("`copy`", ship_by("copy"), "this Spark session cannot do"),
]


@pytest.mark.parametrize(("name", "ask", "message"), REFUSED)
def test_what_cannot_work_is_refused(
    spark: SparkSession, model: Model, name: str, ask: Any, message: str
) -> None:
    with pytest.raises(CaffeError, match=message):
        ask(spark, model)
    page = (REPO / "docs" / "connect.md").read_text(encoding="utf-8")
    assert name in page[page.index("## What is refused") :]


def test_exact_numbers(spark: SparkSession, model: Model) -> None:
    """The same bits as without Spark, from another process that the server started."""
    row = model.predict(images(spark), fetch=["prob"], engine="exact").where("id = 2").first()
    assert row is not None
    expected = model.run({"data": blobs(range(2, 3))}, ["prob"])["prob"][0]
    assert np.array_equal(np.array(row["prob"], np.float32), expected)
