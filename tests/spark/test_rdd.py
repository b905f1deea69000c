"""BigDL's calls on RDDs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import Row, SparkSession

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError, ImageError
from bigdl_caffe.spark.images import prepared
from tests.nets import TWO_IN, net
from tests.spark.nets import assert_close, blobs, picture, png, small

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return small(tmp_path_factory.mktemp("net"))


def uneven(spark: SparkSession, data: list[Any]) -> Any:
    """Return rows in partitions of 5, 0, 1 and all others."""
    starts = [0, 5, 5, 6, len(data)]
    return spark.sparkContext.parallelize(range(4), 4).flatMap(
        lambda i: data[starts[i] : starts[i + 1]]
    )


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_order_and_partitions_are_kept(spark: SparkSession, model: Model, batch_size: int) -> None:
    data = blobs(range(10))
    scored = model.predict(uneven(spark, list(data)), batch_size=batch_size, fetch=["prob"])
    parts = scored.glom().collect()
    assert [len(part) for part in parts] == [5, 0, 1, 4]
    expected = model.run({"data": data}, ["prob"])["prob"]
    assert_close(np.concatenate([part for part in parts if part]), expected)


def test_several_blobs_and_classes(spark: SparkSession, model: Model) -> None:
    data = blobs(range(3))
    rdd = spark.sparkContext.parallelize(list(data), 2)
    expected = model.run({"data": data}, ["prob", "best"])
    best, prob = model.predict(rdd).first()
    assert_close(best, expected["best"][0])
    assert_close(prob, expected["prob"][0])
    assert_close(np.stack(model.predict(rdd, fetch="prob").collect()), expected["prob"])
    classes = model.predict_class(rdd, fetch="prob").collect()
    assert classes == expected["prob"].argmax(1).tolist()


def test_several_inputs(spark: SparkSession, tmp_path: Path) -> None:
    two = net(tmp_path, TWO_IN)
    a, b = np.random.default_rng(0).random((2, 9, 3), np.float32)
    scored = two.predict(uneven(spark, list(zip(a, b, strict=True))), batch_size=2)
    parts = scored.glom().collect()
    assert [len(part) for part in parts] == [5, 0, 1, 3]
    assert_close(np.array([row for part in parts for row in part])[:, 1], 2 * (a + b))
    with pytest.raises(Exception, match=r"row 2 of partition 0 has 1 arrays for the inputs a, b"):
        two.predict(spark.sparkContext.parallelize([a[:2], a[:2], a[:1]], 1)).collect()


def test_a_net_that_is_not_row_wise(spark: SparkSession, tmp_path: Path) -> None:
    mixed = net(
        tmp_path,
        'input: "x" input_shape { dim: 2 dim: 3 } '
        'layer { name: "r" type: "Reduction" bottom: "x" top: "y" }',
    )
    x = np.random.default_rng(0).random((9, 3), np.float32)
    parts = mixed.predict(uneven(spark, list(x))).glom().collect()
    assert [len(part) for part in parts] == [5, 0, 1, 3]
    assert_close(np.array([y for part in parts for y in part]), x.sum(1))


def test_a_bad_row_is_named(spark: SparkSession, tmp_path: Path) -> None:
    embed = net(
        tmp_path,
        'input: "x" input_shape { dim: 1 dim: 1 } layer { name: "e" type: "Embed" bottom: "x" '
        'top: "y" embed_param { input_dim: 5 num_output: 2 bias_term: false } }',
    )
    words = spark.sparkContext.parallelize([np.array([i]) for i in (0, 1, 2, 3, 7, 1)], 2)
    with pytest.raises(Exception, match=r"CaffeError: row 1 of partition 1 cannot be scored"):
        embed.predict(words).collect()
    with pytest.raises(Exception, match=r"ShapeError: row 0 of partition 0 has shape \(1, 1\)"):
        embed.predict(words.map(lambda x: x[None])).first()
    with pytest.raises(CaffeError, match="an RDD takes batch_size, fetch and engine, not on_error"):
        embed.predict(words, on_error="drop")
    with pytest.raises(CaffeError, match="batch_size is 0"):
        embed.predict(words, batch_size=0)


# --- pictures -------------------------------------------------------------------------


def bgr(seed: int) -> np.ndarray[Any, Any]:
    return picture(seed)[:, :, ::-1]


def struct(seed: int) -> Row:
    return Row(
        origin="", height=8, width=8, nChannels=3, mode=16, data=bytearray(bgr(seed).tobytes())
    )


def test_pictures_of_every_kind(spark: SparkSession, model: Model) -> None:
    given = [
        png(0),
        bytearray(png(1)),
        np.ascontiguousarray(bgr(2)),
        struct(3),
        {"bytes": png(4), "uri": "four"},
        Row(image=struct(5), id=5),
        Row(image=bytearray(png(6)), id=6),
    ]
    rdd = spark.sparkContext.parallelize(given, 3)
    found = model.predict_image(rdd, "prob", batch_per_partition=2, predict_key="p")
    parts = found.glom().collect()
    assert [len(part) for part in parts] == [len(part) for part in rdd.glom().collect()]
    rows = [row for part in parts for row in part]
    expected = model.run({"data": blobs(range(7))}, ["prob"])["prob"]
    assert_close(np.stack([row["p"] for row in rows]), expected)
    assert rows[0]["image"] == given[0]
    assert rows[4]["uri"] == "four"
    assert [row["id"] for row in rows[5:]] == [5, 6]


def test_pictures_of_a_dataframe(spark: SparkSession, model: Model) -> None:
    df = spark.createDataFrame(
        [(bytearray(png(0)), "a"), (bytearray(b"?"), "b")], "x binary, y string"
    )
    found = model.predict_image(df, output_layer="ip")
    assert found.columns == ["x", "y", "predict", "error"]
    good, bad = found.collect()
    assert_close(good["predict"], model.run({"data": blobs(range(1))}, ["ip"])["ip"][0])
    assert bad["error"]


def test_pictures_that_are_none(spark: SparkSession, model: Model) -> None:
    for element, words in [
        ({"image": b"no picture"}, "not a picture"),
        ({"image": None}, "there is no image"),
        ({"image": bgr(0)[:, :, :2]}, r"the image has shape \(8, 8, 2\)"),
        ({"uri": "x"}, "it has uri, of which none is image or bytes"),
        ({"image": "a.png"}, "it holds a str: give a picture's file as bytes"),
    ]:
        with pytest.raises(ImageError, match=words):
            prepared(model.recipe(), element)
    rdd = spark.sparkContext.parallelize([png(0), b"no picture"], 1)
    with pytest.raises(Exception, match=r"ImageError: row 1 of partition 0: .*not a picture"):
        model.predict_image(rdd, "prob").collect()
    with pytest.raises(CaffeError, match="there are best, prob: choose one by output_layer"):
        model.predict_image(rdd)
    with pytest.raises(CaffeError, match="on_error: such options are for DataFrames only"):
        model.predict_image(rdd, "prob", on_error="drop")
