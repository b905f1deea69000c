"""Evaluation on labelled DataFrames and RDDs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.spark import sources
from bigdl_caffe.spark.criteria import MAE, Loss, TopAccuracy, log_loss, softmax_loss
from bigdl_caffe.spark.evaluation import Sums
from tests.nets import DIGITS

FOUR = ("top1", "top5", "loss", "mae")


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    """Return the example's scans with their labels, in 3 partitions."""
    listed = sources.image_list(spark, DIGITS / "labels.txt", DIGITS, num_partitions=3)
    return listed.drop("problem").cache()


def expected(scores: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> list[float]:
    """Return the first and fifth accuracy and the loss, the plain way."""
    order = (-scores).argsort(1, kind="stable")
    own = scores[np.arange(len(labels)), labels].astype(np.float64)
    top = [(order[:, :k] == labels[:, None]).any(1).mean() for k in (1, 5)]
    return [*top, -np.log(own).mean()]


@pytest.mark.spark
def test_a_dataframe_and_an_rdd_say_what_numpy_says(
    spark: SparkSession, lenet: Model, rows: DataFrame
) -> None:
    held = rows.collect()
    pictures = lenet.predict_image(rows.rdd.map(lambda row: bytes(row["content"])), "data")
    data = np.stack([row["predict"] for row in pictures.collect()])
    labels = np.array([row["label"] for row in held])
    numbers = expected(lenet.predict(data, fetch=["prob"]), labels)
    pairs = spark.sparkContext.parallelize(list(zip(data, labels, strict=True)), 7)
    for found in (
        lenet.evaluate(rows, metrics=FOUR[:3], fetch="prob"),
        lenet.evaluate(pairs, batch_size=13, metrics=FOUR[:3], fetch="prob"),
    ):
        assert [r.method for r in found] == ["Top1Accuracy", "Top5Accuracy", "Loss"]
        assert [(r.total_num, r.failed) for r in found] == [(300, 0)] * 3
        np.testing.assert_allclose([r.result for r in found], numbers, rtol=1e-5)
    assert found[0].result == 299 / 300


@pytest.mark.spark
def test_rows_that_cannot_be_scored_are_counted_apart(lenet: Model, rows: DataFrame) -> None:
    broken = F.when(F.col("path").endswith("1.png"), F.lit(b"?")).otherwise(F.col("content"))
    some = rows.withColumn("content", broken).withColumnRenamed("label", "the.class")
    (found,) = lenet.evaluate(
        some.withColumn("error", F.lit("mine")), metrics="Top1Accuracy", label_col="the.class"
    )
    count = rows.where(F.col("path").endswith("1.png")).count()
    assert (found.failed, found.total_num) == (count, 300 - count)
    assert count
    assert 0.99 < found.result <= 1


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ([10], "the label 10: there are 10 classes, which are counted from 0 to 9"),
        ([-1], "the label -1"),
        ([0.5], "the label 0.5"),
        ([np.nan], "the label nan"),
        ([1, 2], "the label 1, 2"),
    ],
)
def test_labels_that_are_none(label: list[float], words: str) -> None:
    sums = Sums([TopAccuracy()], partition=4)
    sums.add(np.eye(10), np.arange(10), np.arange(10))
    labels = np.array([[9] * len(label), label]) if len(label) == 1 else np.array([label] * 2)
    with pytest.raises(CaffeError, match=f"row 1[12] of partition 4 has {words}"):
        sums.add(np.ones((2, 10)), labels, np.array([11, 12]))
    assert (sums.rows, sums.values) == (10, [10.0])


@pytest.mark.spark
def test_a_label_that_is_none_stops_the_job(lenet: Model, rows: DataFrame) -> None:
    none = F.when(F.col("path").endswith("0028.png"), None).otherwise(F.col("label"))
    with pytest.raises(Exception, match=r"CaffeError: row \d+ of partition \d has the label nan"):
        lenet.evaluate(rows.withColumn("label", none))


@pytest.mark.spark
def test_what_cannot_be_evaluated(spark: SparkSession, lenet: Model, rows: DataFrame) -> None:
    for how, words in [
        ({"metrics": "top2"}, r"no metric \['top2'\]: choose from top1, top5, loss, mae, Top1"),
        ({"metrics": ()}, r"no metric \[\]"),
        ({"label_col": "truth"}, "there is no column 'truth' to judge by"),
        ({"label_col": "path"}, "the labels in 'path' are no numbers"),
        ({"fetch": "conv1"}, "is not one list of scores a row"),
        ({"fetch": "none"}, "none"),
        ({"on_error": "drop"}, "evaluate does not take on_error, but input_col, feed"),
    ]:
        with pytest.raises(CaffeError, match=words):
            lenet.evaluate(rows, **how)
    assert lenet.evaluate() is lenet
    bare = spark.sparkContext.parallelize([np.zeros((1, 8, 8))], 1)
    with pytest.raises(Exception, match="row 0 of partition 0 is a ndarray: give tuples"):
        lenet.evaluate(bare)
    (nothing,) = lenet.evaluate(rows.limit(0))
    assert math.isnan(nothing.result)
    assert (nothing.total_num, nothing.failed) == (0, 0)


@pytest.mark.spark
def test_mae(spark: SparkSession, lenet: Model) -> None:
    data = np.random.default_rng(0).random((9, 1, 8, 8), np.float32)
    truth = np.random.default_rng(1).random((9, 10))
    pairs = spark.sparkContext.parallelize(list(zip(data, truth, strict=True)), 2)
    (found,) = lenet.evaluate(pairs, metrics=MAE())
    np.testing.assert_allclose(found.result, np.abs(lenet.predict(data) - truth).mean(), rtol=1e-5)


def test_equal_scores_and_nan() -> None:
    labels = np.array([[0], [1], [2]])
    same = np.ones((3, 3))
    assert TopAccuracy(1).of(same, labels).tolist() == [True, False, False]
    assert TopAccuracy(2).of(same, labels).tolist() == [True, True, False]
    none = np.full((3, 3), np.nan)
    assert not TopAccuracy(3).of(none, labels).any()
    one = np.array([[1, np.nan, 0], [0, 2, np.nan], [0, 1, 2]])
    assert TopAccuracy(1).of(one, labels).tolist() == [False, False, True]


def test_losses() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 3)) * 1000
    labels = np.array([[0], [1], [2], [0]])
    powers = np.exp(logits - logits.max(1, keepdims=True))
    probabilities = powers / powers.sum(1, keepdims=True)
    small = np.finfo(np.float32).tiny
    np.testing.assert_allclose(
        np.minimum(softmax_loss(logits, labels), -np.log(small)), log_loss(probabilities, labels)
    )
    assert (
        Loss(lambda outputs, _: outputs[:, 0]).of(logits, labels).tolist() == logits[:, 0].tolist()
    )
    with pytest.raises(ShapeError, match="3 numbers and its label 1"):
        MAE().of(logits, labels)
