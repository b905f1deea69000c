"""The Python process and a Spark application: what it is given, and that both end together."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from py4j.java_gateway import JavaPackage
from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.jvm import answering, serve
from tests.jvm.bare import bare_jvm, children
from tests.jvm.test_life import FILES, fails, load, wait_for

pytestmark = pytest.mark.spark

IMAGES = FILES[0].replace("lenet.prototxt", "images")


@pytest.fixture
def java() -> Iterator[Any]:
    with bare_jvm(spark_master="local[2]", spark_app_name="jvm", spark_ui_enabled="false") as it:
        yield it


@pytest.mark.slow
def test_rows_outlive_python_which_ends_with_the_application(java: Any) -> None:
    spark = java.jvm.org.apache.spark.sql.SparkSession.builder().getOrCreate()
    sessions, own = java.jvm.org.apache.spark.sql.SparkSession, spark.newSession()
    sessions.setActiveSession(own)
    load(java).close()  # with which Python attaches
    assert sessions.getDefaultSession().get().equals(spark)
    assert sessions.getActiveSession().get().equals(own)
    spark.sparkContext().setJobGroup("mine", "what I asked for", False)
    images = spark.read().format("binaryFile").load(IMAGES).limit(20)
    model = load(java)
    rows = model.predictClass(images.select("content", java.new_array(java.jvm.String, 0)))
    (child,) = children(java)
    os.kill(child, signal.SIGKILL)
    assert rows.where("error is null and prediction between 0 and 9").count() == 20
    labelled = rows.drop("prediction").withColumn(
        "label", java.jvm.org.apache.spark.sql.functions.lit(0)
    )
    (result,) = model.evaluate(labelled.drop("error"))
    assert result.totalNum() == 20
    assert list(spark.sparkContext().statusTracker().getJobIdsForGroup("theirs")) == []
    assert len(spark.sparkContext().statusTracker().getJobIdsForGroup("mine")) >= 2
    assert training_dies_with_python(java, spark, labelled)
    again = model.predict(images)
    (second,) = children(java)
    assert second != child
    spark.stop()
    wait_for(lambda: not children(java))
    assert again.schema().length() == images.schema().length() + 2
    assert "conv1" in model.summary()  # without a session, and in a third process
    assert children(java) != [second]


def last_of(tracker: Any) -> list[int]:
    """Return the jobs that go on for a while, as a training does; one that ends is another's."""
    jobs = list(tracker.getActiveJobIds())
    time.sleep(2)
    return jobs or [-1]


def training_dies_with_python(java: Any, spark: Any, rows: Any) -> bool:
    """Kill Python in the midst of a fit; return whether that is told and its jobs are gone."""
    options = java.jvm.bigdl_caffe.LoadOptions().phase("TRAIN")
    shape = java.new_array(java.jvm.int, 4)
    for i, size in enumerate((10, 1, 8, 8)):
        shape[i] = size
    net = FILES[0].replace("lenet.", "lenet_train_val.")
    loaded = load(java, net, None, options.inputShape("data", shape))
    estimator = java.jvm.bigdl_caffe.spark.CaffeEstimator(loaded)
    estimator.setFeaturesCol("content").setMaxIter(1_000_000)
    tracker = spark.sparkContext().statusTracker()
    with ThreadPoolExecutor(1) as threads:
        fitting = threads.submit(fails, lambda: estimator.fit(rows.drop("error")))
        wait_for(lambda: last_of(tracker) == list(tracker.getActiveJobIds()), 60)
        (child,) = children(java)
        os.kill(child, signal.SIGKILL)
        told = fitting.result(10)
    wait_for(lambda: not list(tracker.getActiveJobIds()))
    return told["kind"] == "PythonError"


def test_a_pyspark_program_answers_itself(spark: SparkSession, jvm: Any) -> None:
    serve(spark)
    assert "conv1" in jvm.bigdl_caffe.Module.loadCaffeModel(*FILES).summary()
    assert children(SimpleNamespace(jvm=jvm)) == []


def test_another_program_can_come_after_the_one_that_served(spark: SparkSession, jvm: Any) -> None:
    model = jvm.bigdl_caffe.Module.loadCaffeModel(*FILES)
    assert jvm.bigdl_caffe.jvm.Python.host("another") is not None
    serve(spark)
    assert "conv1" in model.summary()


def test_an_error_that_cannot_be_told_is_answered() -> None:
    class UntoldError(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    def fail() -> None:
        raise UntoldError

    answers: list[str] = []
    request = SimpleNamespace(begin=fail, fail=lambda told, cause: answers.append(told))
    answering._answer(request, {}, iter([0]))
    assert "no words" in answers[0]


def test_serving_needs_the_jar() -> None:
    package = SimpleNamespace(jvm=SimpleNamespace(Python=JavaPackage("bigdl_caffe", None)))
    with pytest.raises(CaffeError, match=r"spark\.jars"):
        serve(cast(SparkSession, SimpleNamespace(_jvm=SimpleNamespace(bigdl_caffe=package))))
