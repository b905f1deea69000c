"""What scoring refuses before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.spark.scoring import score_dataframe
from tests.spark.nets import blobs, small

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return small(tmp_path_factory.mktemp("net"))


PROBLEMS: list[tuple[str, dict[str, Any], str]] = [
    ("id int", {}, "no column can be the input"),
    ("id int, a binary, b array<float>", {}, "a, b could each be the input"),
    ("id int, content binary", {"input_col": "image"}, "there is no column 'image'"),
    ("id int, text string", {"input_col": "text"}, "column 'text' is string, which the input"),
    ("content binary, Error string", {}, "the column 'error' would be there twice"),
    ("content binary, prob string", {}, "the column 'prob' would be there twice"),
    ("content binary", {"fetch": ["pool5"]}, "no blob 'pool5'"),
    ("content binary", {"fetch": "pool5"}, "no blob 'pool5'"),
    ("content binary", {"feed": {"image": "content"}}, "no input 'image'"),
    ("content binary", {"on_error": "ignore"}, "on_error is 'ignore'"),
    ("content binary", {"batch_size": 0}, "batch_size is 0"),
]


@pytest.mark.parametrize(("columns", "options", "message"), PROBLEMS)
def test_problems_are_told_at_once(
    spark: SparkSession, model: Model, columns: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CaffeError, match=message):
        score_dataframe(model, spark.createDataFrame([], columns), **options)


def test_a_recipe_of_another_size_is_refused(spark: SparkSession, model: Model) -> None:
    images = spark.createDataFrame([], "content binary")
    with pytest.raises(CaffeError, match="the recipe makes images of"):
        score_dataframe(model, images, recipe=Recipe(resize=(9, 9)))


@pytest.mark.parametrize("blob", ["conv.1/a", "one", "best"])
def test_no_class_is_made_up_for_a_blob_without(
    spark: SparkSession, model: Model, blob: str
) -> None:
    images = spark.createDataFrame([], "content binary")
    rdd = spark.sparkContext.parallelize(list(blobs(range(2))))
    for data in (images, rdd):
        with pytest.raises(CaffeError, match=f"'{blob}' has the shape .* not one list of scores"):
            model.predict_class(data, fetch=blob)


MIXED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 6 } } }
layer { name: "all" type: "Reshape" bottom: "data" top: "all"
  reshape_param { shape { dim: 2 dim: 3 } } }
"""


def test_a_row_of_a_net_that_mixes_rows_is_its_whole_blob(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = spark.createDataFrame([([1.0] * 6,)], "x array<float>")
    with pytest.raises(CaffeError, match="not one list of scores"):
        small(tmp_path, MIXED).predict_class(rows)


@pytest.mark.parametrize("how", [{"on_error": "drop"}, {"input_col": "x", "recipe": None}])
def test_an_rdd_takes_no_options_of_dataframes(
    spark: SparkSession, model: Model, how: dict[str, Any]
) -> None:
    rdd = spark.sparkContext.parallelize(list(blobs(range(2))))
    for predict in (model.predict, model.predict_class):
        with pytest.raises(
            CaffeError, match=f"an RDD takes batch_size, fetch and engine, not {next(iter(how))}"
        ):
            predict(rdd, fetch="prob", **how)
    with pytest.raises(CaffeError, match="batch_size is 0"):
        model.predict(rdd, batch_size=0)


@pytest.mark.parametrize("kind", ["interval year", "interval", "array<struct<a:interval month>>"])
def test_types_that_python_cannot_get_are_refused_by_name(
    spark: SparkSession, model: Model, kind: str
) -> None:
    if kind == "interval" and spark.version.startswith("3."):
        pytest.skip("Spark 3's Python cannot even tell the schema of such a DataFrame")
    rows = spark.sql(f"select cast(null as {kind}) as `how.long`, binary('') as content")
    with pytest.raises(CaffeError, match=r"the column 'how\.long' is .*interval"):
        score_dataframe(model, rows)
    known = spark.sql("select interval '1' day as day, array(1) as a, binary('') as content")
    assert score_dataframe(model, known, input_col="content").count() == 1
