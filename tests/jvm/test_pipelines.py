"""Stages and pipelines that one language saves and the other loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.wrapper import JavaWrapper
from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe import Model
from bigdl_caffe.spark import CaffeEstimator, CaffeModel
from tests.nets import net
from tests.spark.training import rows, trainable

pytestmark = pytest.mark.spark

NET = """
name: "dense"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return net(tmp_path, NET)


@pytest.fixture
def stage(model: Model) -> CaffeModel:
    """Return a stage between two of Spark's."""
    return CaffeModel(
        model, inputCol="x", fetchDict={"y": "features"}, outputType="vector", onError="fail"
    )


@pytest.fixture
def points(spark: SparkSession) -> DataFrame:
    numbers = np.random.default_rng(0).random((20, 2))
    told = [(a, b, float(a > b)) for a, b in numbers.tolist()]
    return spark.createDataFrame(told, "a double, b double, label double")


def pipeline(stage: CaffeModel) -> Pipeline:
    before = VectorAssembler(inputCols=["a", "b"], outputCol="x")
    return Pipeline(stages=[before, Pipeline(stages=[stage, LogisticRegression(maxIter=2)])])


def array(jvm: Any, stages: list[Any]) -> Any:
    return JavaWrapper._new_java_array(stages, jvm.org.apache.spark.ml.PipelineStage)


def predicted(spark: SparkSession, fitted: Any, points: DataFrame) -> list[Any]:
    """Return what a pipeline of either language makes of the rows."""
    ours = isinstance(fitted, PipelineModel)
    out = fitted.transform(points) if ours else DataFrame(fitted.transform(points._jdf), spark)
    return out.select("features", "probability", "prediction").collect()


def metadata(path: Path) -> dict[str, Any]:
    (part,) = (path / "metadata").glob("part-*")
    found = json.loads(part.read_text())
    return {name: value for name, value in found.items() if name != "timestamp"}


def test_what_one_language_saves_the_other_loads(
    jvm: Any, spark: SparkSession, stage: CaffeModel, points: DataFrame, tmp_path: Path
) -> None:
    """Nested pipelines of both languages' stages go from Python to the JVM, and back."""
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    fitted = pipeline(stage).fit(points)
    expected = predicted(spark, fitted, points)
    fitted.save(ours)
    loaded = jvm.bigdl_caffe.spark.Pipelines.load(ours)
    assert loaded.uid() == fitted.uid
    assert predicted(spark, loaded, points) == expected
    loaded.write().overwrite().save(theirs)
    (saved,) = (tmp_path / "ours").glob("stages/1_*/stages/0_*")
    (again,) = (tmp_path / "theirs").glob("stages/1_*/stages/0_*")
    assert metadata(again) == metadata(saved)
    assert predicted(spark, jvm.org.apache.spark.ml.PipelineModel.load(theirs), points) == expected
    assert predicted(spark, PipelineModel.load(theirs), points) == expected
    # Spark 3.5 loads it in the JVM first, and later releases do not.
    assert predicted(spark, PipelineModel._from_java(loaded), points) == expected


def test_the_jvm_fits_a_pipeline_that_python_saved(
    jvm: Any, spark: SparkSession, stage: CaffeModel, points: DataFrame, tmp_path: Path
) -> None:
    pipeline(stage).save(str(tmp_path / "ours"))
    loaded = jvm.bigdl_caffe.spark.Pipelines.loadUnfitted(str(tmp_path / "ours"))
    fitted = loaded.fit(points._jdf)
    expected = pipeline(stage).fit(points)
    assert predicted(spark, fitted, points) == predicted(spark, expected, points)


@pytest.mark.slow
def test_training_is_saved_and_tuned(jvm: Any, spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "estimator")
    how: dict[str, Any] = {"seed": 1, "maxIter": 40, "momentum": 0.9, "labelCol": "label"}
    ours = CaffeEstimator(trainable(tmp_path), predictionCol="prediction", **how)
    ours.save(path)
    estimator = jvm.bigdl_caffe.spark.CaffeEstimator.load(path)
    assert estimator.uid() == ours.uid
    ml = jvm.org.apache.spark.ml
    rates = JavaWrapper._new_java_array([1e-6, 0.1], jvm.double)
    grid = ml.tuning.ParamGridBuilder().addGrid(estimator.learningRate(), rates).build()
    judge = ml.evaluation.MulticlassClassificationEvaluator().setMetricName("accuracy")
    tuned = (
        ml.tuning.CrossValidator()
        .setEstimator(ml.Pipeline().setStages(array(jvm, [estimator])))
        .setEstimatorParamMaps(grid)
        .setEvaluator(judge)
        .setNumFolds(2)
        .fit(rows(spark)._jdf)
    )
    low, high = tuned.avgMetrics()
    assert low < 0.9 < high
    tuned.bestModel().write().overwrite().save(str(tmp_path / "best"))
    (best,) = PipelineModel.load(str(tmp_path / "best")).stages
    assert isinstance(best, CaffeModel)
    assert best.getPredictionCol() == "prediction"


def test_what_cannot_be_loaded_is_told(
    jvm: Any, stage: CaffeModel, tmp_path: Path, spark: SparkSession
) -> None:
    load = jvm.bigdl_caffe.spark.Pipelines.load
    with pytest.raises(Py4JJavaError, match=r"CaffeException: no pipeline is saved at .*nowhere"):
        load(str(tmp_path / "nowhere"))
    Pipeline(stages=[stage]).save(str(tmp_path / "pipeline"))
    with pytest.raises(Py4JJavaError, match=r"holds a Pipeline: .*Pipelines.loadUnfitted"):
        load(str(tmp_path / "pipeline"))
    stage.save(str(tmp_path / "stage"))
    with pytest.raises(Py4JJavaError, match=r"holds a bigdl_caffe.spark.CaffeModel: load it with"):
        jvm.bigdl_caffe.spark.CaffeEstimator.load(str(tmp_path / "stage"))
    (part,) = (tmp_path / "stage" / "metadata").glob("part-*")
    part.with_name(f".{part.name}.crc").unlink()
    part.write_text(json.dumps({**metadata(tmp_path / "stage"), "class": "of.Python"}))
    with pytest.raises(Py4JJavaError, match=r"is a of.Python, which the JVM does not have: load"):
        load(str(tmp_path / "stage"))
