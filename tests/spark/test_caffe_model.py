"""`CaffeModel` as a stage: its Params, its schema, its rows."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import BinaryType, StructField, StructType

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark import CaffeModel
from bigdl_caffe.spark.metrics import Metrics
from tests.nets import TWO_IN, net
from tests.spark.nets import assert_close, blobs, png, small

pytestmark = pytest.mark.spark

IMAGES = StructType([StructField("content", BinaryType())])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return small(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def images(spark: SparkSession) -> DataFrame:
    """Return nine images and one row that is none."""
    rows = [(i, bytearray(png(i))) for i in range(9)] + [(9, bytearray(b"no image"))]
    return spark.createDataFrame(rows, "id int, content binary").repartition(2)


# --- Params: these need no session ------------------------------------------------------


def test_a_param_is_a_keyword_and_has_accessors_in_both_spellings(model: Model) -> None:
    camel = CaffeModel(model, inputCol="content", batchSize=7, feedDict=None)
    snake = CaffeModel(model, input_col="content", batch_size=7)
    assert camel.values() == snake.values()
    assert camel.setTopK(3) is camel
    assert camel.set_top_col("best") is camel
    assert (camel.getTopK(), camel.get_top_k(), camel.getTopCol()) == (3, 3, "best")
    assert camel.getOutputCol() is None
    assert camel.setBatchSize(None).getBatchSize() == 32
    assert CaffeModel(model, feed={"data": "x"}, fetch={}).getFeedDict() == {"data": "x"}
    for option in CaffeModel.OPTIONS:
        name = option.name[0].upper() + option.name[1:]
        methods = (f"set{name}", f"get{name}", f"set_{option.snake}", f"get_{option.snake}")
        assert all(option.name in getattr(CaffeModel, method).__doc__ for method in methods)
    assert inspect.signature(CaffeModel).parameters["batchSize"].default == 32


def test_what_spark_does_with_params(model: Model) -> None:
    stage = CaffeModel(model, inputCol="content", recipe=model.recipe().to_json())
    assert stage.isSet("inputCol")
    assert not stage.isDefined(stage.outputCol)
    assert stage.hasDefault("onError")
    copy = stage.copy({stage.batchSize: 5})
    assert (copy.getBatchSize(), stage.getBatchSize()) == (5, 32)
    assert (copy.uid, copy.model) == (stage.uid, model)
    assert copy.getRecipe().to_json() == model.recipe().to_json()
    explained = stage.explainParams()
    assert "batchSize: rows that the net runs at a time" in explained
    assert "(default: 32)" in explained
    assert "1. decode to 3 channels" in explained
    assert str(model) in repr(stage)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"batchsize": 3}, TypeError, "no Param 'batchsize': did you mean 'batchSize'"),
        ({"zzz": 3}, TypeError, "explainParams"),
        ({"batchSize": "many"}, TypeError, 'param "batchSize".*convert many to int'),
        ({"batchSize": True}, TypeError, "convert True to int"),
        ({"feedDict": ["data"]}, TypeError, "dict of blob names to column names"),
        ({"recipe": 3}, TypeError, "or its JSON"),
        ({"topK": 1, "top_k": 2}, TypeError, "topK and top_k are one Param"),
        ({"batchSize": 0}, CaffeError, "batchSize is 0: give at least 1"),
        ({"onError": "keep"}, CaffeError, "onError is 'keep': give one of column, drop, fail"),
        ({"dtype": "int8"}, CaffeError, "float32, float64"),
        ({"recipe": "{}"}, CaffeError, "recipe"),
    ],
)
def test_params_that_cannot_work(
    model: Model, given: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        CaffeModel(model, **given)


def test_a_model_is_needed(model: Model) -> None:
    with pytest.raises(TypeError, match=r"as Model\.load_caffe_model"):
        CaffeModel("net.prototxt")  # type: ignore[arg-type]  # what is refused
    stage = CaffeModel(inputCol="content")
    with pytest.raises(CaffeError, match="has no model"):
        stage.transformSchema(IMAGES)
    stage.model = model
    assert stage.transformSchema(IMAGES).names == ["content", "best", "prob", "error"]


# --- schemas ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"inputCol": "image"}, "no column 'image'"),
        ({"outputCol": "out"}, "the outputs best, prob.*fetchDict"),
        ({"outputCol": "out", "fetchDict": {"prob": "p"}}, "outputCol or fetchDict, not both"),
        ({"fetchDict": {"fc9": "x"}}, "fc9"),
        ({"feedDict": {"image": "content"}}, "no input 'image'"),
        ({"fetchDict": {"prob": "Content"}}, "'Content' would be there twice"),
        ({"fetchDict": {"prob": "p"}, "predictionCol": "p"}, "'p' would be there twice"),
        ({"topK": 1, "labels": ["cat"], "classesOf": "prob"}, "1 labels for the 5 classes"),
    ],
)
def test_schemas_that_cannot_work(model: Model, given: dict[str, Any], said: str) -> None:
    with pytest.raises(CaffeError, match=said):
        CaffeModel(model, **given).transformSchema(IMAGES)


@pytest.mark.parametrize("output_type", ["array", "vector", "binary", "struct"])
def test_the_schema_is_that_of_the_rows(images: DataFrame, model: Model, output_type: str) -> None:
    stage = CaffeModel(
        model,
        inputCol="content",
        fetchDict={"prob": "p", "conv.1/a": "maps"},
        outputType=output_type,
        predictionCol="prediction",
        topK=2,
        labels=list("abcde"),
        errorCol="why",
    )
    scored = stage.transform(images)
    assert scored.schema == stage.transformSchema(images.schema)
    assert scored.columns == ["id", "content", "p", "maps", "prediction", "top", "why"]


# --- rows -------------------------------------------------------------------------------


def test_rows(images: DataFrame, model: Model, spark: SparkSession) -> None:
    metrics = Metrics(spark)
    stage = CaffeModel(
        model,
        metrics=metrics,
        inputCol="content",
        fetchDict={"prob": "p"},
        predictionCol="prediction",
        topK=2,
        labels=list("abcde"),
        outputType="vector",
    )
    scored = stage.transform(images, {stage.batchSize: 4})
    assert isinstance(scored.schema["p"].dataType, VectorUDT)
    assert metrics.total.rows == 0
    *good, bad = sorted(scored.collect(), key=lambda row: int(row["id"]))
    expected = model.run({"data": blobs(range(9))}, ["prob"])["prob"]
    assert_close([row["p"].toArray() for row in good], expected)
    assert [row["prediction"] for row in good] == expected.argmax(1).tolist()
    assert [row["top"][0]["label"] for row in good] == ["abcde"[i] for i in expected.argmax(1)]
    assert (bad["p"], bad["prediction"], bad["top"]) == (None, None, None)
    assert "not a picture" in bad["error"]
    assert (metrics.total.rows, metrics.total.failed) == (10, 1)


def test_several_inputs_and_outputs(spark: SparkSession, tmp_path: Path) -> None:
    stage = CaffeModel(
        net(tmp_path, TWO_IN),
        feedDict={"a": "left", "b": "right"},
        fetchDict={"neg": "minus", "sum": "plus"},
        engine="exact",
        onError="drop",
    )
    frame = spark.createDataFrame(
        [([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]), ([1.0], [1.0])],
        "left array<float>, right array<double>",
    )
    (row,) = stage.transform(frame).collect()
    np.testing.assert_array_equal([row["plus"], row["minus"]], [[2, 3, 4], [-2, -3, -4]])
