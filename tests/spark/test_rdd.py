"""Scoring RDDs."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession

from bigdl_caffe import Model
from bigdl_caffe.spark.scoring import score
from tests.spark.nets import assert_close, blobs, png, small

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return small(tmp_path_factory.mktemp("net"))


def test_rdd(spark: SparkSession, model: Model) -> None:
    data = blobs(range(10))
    rdd = spark.sparkContext.parallelize(list(data), 3)
    scored = score(model, rdd, batch_size=4, fetch=["prob"])
    assert scored.getNumPartitions() == 3
    expected = model.run({"data": data}, ["prob", "best"])
    assert_close(np.stack(scored.collect()), expected["prob"])
    best, prob = score(model, rdd).first()
    assert_close(best, expected["best"][0])
    assert_close(prob, expected["prob"][0])
    with pytest.raises(Exception, match="row 0 of the partition has shape"):
        score(model, rdd.map(lambda x: x[None])).collect()


def test_one_blob_by_its_name(spark: SparkSession, model: Model) -> None:
    data = blobs(range(2))
    rdd = spark.sparkContext.parallelize(list(data), 1)
    assert_close(
        np.stack(model.predict(rdd, fetch="prob").collect()), model.run({"data": data})["prob"]
    )
    df = spark.createDataFrame([(bytearray(png(0)),)], "content binary")
    assert model.predict(df, fetch="prob").columns == ["content", "prob", "error"]
