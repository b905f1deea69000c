"""`CaffeModel` among Spark's own stages, in tuning, and before Spark's evaluators."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.evaluation import (
    BinaryClassificationEvaluator,
    MulticlassClassificationEvaluator,
    RegressionEvaluator,
)
from pyspark.ml.tuning import (
    CrossValidator,
    CrossValidatorModel,
    ParamGridBuilder,
    TrainValidationSplit,
)
from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe import Model
from bigdl_caffe.spark import CaffeModel, ship
from tests.nets import net

pytestmark = pytest.mark.spark

# Of two numbers, what each class gets; the class of a row is that of the larger one.
TWO = """
name: "two"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "scores" type: "Power" bottom: "x" top: "scores" power_param { scale: 4 } }
layer { name: "prob" type: "Softmax" bottom: "scores" top: "prob" }
layer { name: "sum" type: "Reduction" bottom: "x" top: "sum" reduction_param { axis: 1 } }
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return net(tmp_path_factory.mktemp("net"), TWO)


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    """Return 40 points, the class of each, and the sum of its numbers."""
    points = np.random.default_rng(0).random((40, 2)).astype(np.float32)
    told = [(p.tolist(), float(p.argmax()), float(p.sum())) for p in points]
    return spark.createDataFrame(told, "x array<float>, label double, total double").cache()


def test_evaluators(rows: DataFrame, model: Model) -> None:
    stage = CaffeModel(
        model,
        inputCol="x",
        fetchDict={"prob": "probability"},
        predictionCol="prediction",
        outputType="vector",
    )
    scored = stage.transform(rows).cache()
    assert MulticlassClassificationEvaluator().evaluate(scored) == 1
    by_loss = MulticlassClassificationEvaluator(metricName="logLoss")
    assert 0 < by_loss.evaluate(scored) < 1
    area = BinaryClassificationEvaluator(rawPredictionCol="probability")
    assert area.evaluate(scored) == 1
    sums = CaffeModel(model, inputCol="x", fetchDict={"sum": "sum"}).transform(rows)
    error = RegressionEvaluator(predictionCol="sum", labelCol="total")
    assert error.evaluate(sums) == pytest.approx(0, abs=1e-6)


def test_features_for_a_classifier_in_cross_validation(
    rows: DataFrame, model: Model, tmp_path: Path
) -> None:
    """Options of the net's stage are tuned with those of Spark's; the best model is saved."""
    features = CaffeModel(
        model, inputCol="x", fetchDict={"scores": "features"}, outputType="vector", onError="fail"
    )
    classifier = LogisticRegression(maxIter=2)
    pipeline = Pipeline(stages=[features, classifier])
    grid = ParamGridBuilder().addGrid(features.batchSize, [1, 16]).build()
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    fitted = CrossValidator(
        estimator=pipeline, estimatorParamMaps=grid, evaluator=evaluator, numFolds=2, seed=1
    ).fit(rows)
    assert min(fitted.avgMetrics) > 0.8
    assert len(set(fitted.avgMetrics)) == 1
    fitted.save(str(tmp_path / "tuned"))
    best = CrossValidatorModel.load(str(tmp_path / "tuned")).bestModel
    assert isinstance(best, PipelineModel)
    assert best.stages[0].getBatchSize() == 1
    assert best.stages[0].model.content_hash == model.content_hash
    assert evaluator.evaluate(best.transform(rows)) > 0.8


def test_a_split_for_training_and_validation(rows: DataFrame, model: Model) -> None:
    features = CaffeModel(model, inputCol="x", outputType="vector", fetchDict={"scores": "f"})
    pipeline = Pipeline(stages=[features, LogisticRegression(featuresCol="f", maxIter=2)])
    split = TrainValidationSplit(
        estimator=pipeline,
        estimatorParamMaps=ParamGridBuilder().addGrid(features.engine, ["exact"]).build(),
        evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
        seed=1,
    )
    assert split.fit(rows).validationMetrics[0] > 0.7


def test_stages_feed_each_other_and_share_a_model(
    rows: DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    way = ship.WAYS["mapped"]

    def send(*given: Any) -> Any:
        sent.append(given)
        return way.send(*given)

    monkeypatch.setitem(ship.WAYS, "mapped", replace(way, send=send))
    by3, by5 = (net(tmp_path, TWO.replace("scale: 4", f"scale: {n}")) for n in (3, 5))
    first = CaffeModel(by3, inputCol="x", fetchDict={"scores": "y"}, errorCol="error1")
    second = CaffeModel(by3, inputCol="y", fetchDict={"scores": "z"}, errorCol="error2")
    third = CaffeModel(by5, inputCol="z", fetchDict={"scores": "out"}, outputType="vector")
    pipeline = Pipeline(stages=[first, second, third]).fit(rows)
    scored = pipeline.transform(rows)
    assert scored.columns == [*rows.columns, "y", "error1", "z", "error2", "out", "error"]
    for row in scored.collect():
        np.testing.assert_allclose(row["out"], 45 * np.array(row["x"]), rtol=1e-6)
    assert len(sent) == 2
