"""What is asked for is checked against a schema alone: no session, no data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql.types import ArrayType, BinaryType, FloatType, LongType, StructField, StructType

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark import plan as planning
from bigdl_caffe.spark.plan import Plan, Scoring, plan
from bigdl_caffe.spark.scoring import named_options
from tests.spark.nets import small

IMAGES = StructType([StructField("id", LongType()), StructField("content", BinaryType())])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return small(tmp_path_factory.mktemp("net"))


def added(planned: Plan) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in planned.added}


def test_outputs_and_errors(model: Model) -> None:
    assert added(plan(model, IMAGES, Scoring())) == {
        "best": "float",
        "prob": "array<float>",
        "error": "string",
    }


@pytest.mark.parametrize(
    ("output_type", "kind"),
    [
        ("array", "array<float>"),
        ("vector", "vector"),
        ("binary", "binary"),
        ("struct", "struct<shape:array<int>,data:array<float>>"),
    ],
)
def test_output_types(model: Model, output_type: str, kind: str) -> None:
    scoring = Scoring(fetch={"prob": "p"}, output_type=output_type, on_error="drop")
    assert added(plan(model, IMAGES, scoring)) == {"p": kind}


def test_classes_alone(model: Model) -> None:
    scoring = Scoring(fetch=(), classes_of="prob", top_k=1, on_error="drop")
    assert list(added(plan(model, IMAGES, scoring))) == ["top"]
    with pytest.raises(CaffeError, match="nothing is asked for"):
        plan(model, IMAGES, Scoring(fetch=()))


def test_classes(model: Model) -> None:
    scoring = Scoring(
        fetch=["ip", "prob"],
        classes_of="prob",
        prediction_col="class",
        top_k=2,
        labels=list("abcde"),
    )
    found = added(plan(model, IMAGES, scoring))
    assert list(found) == ["ip", "prob", "class", "top", "error"]
    assert found["class"] == "double"
    assert found["top"] == "array<struct<class:int,score:float,label:string>>"


def test_a_batch_is_cut_to_what_memory_holds(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan(model, IMAGES, Scoring(batch_size=1000)).job.batch_size == 1000
    row = 4 * (3 * 8 * 8 + 5)
    monkeypatch.setattr(planning, "BATCH_BYTES", 10 * row)
    scoring = Scoring(fetch=["prob"], batch_size=1000)
    assert plan(model, IMAGES, scoring).job.batch_size == 10


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"batch_size": 0}, "batch_size is 0"),
    ({"top_k": -1}, "top_k is -1"),
    ({"on_error": "ignore"}, "on_error is 'ignore': give one of column, drop, fail"),
    ({"output_type": "list"}, "output_type is 'list'"),
    ({"engine": "caffe"}, "engine is 'caffe': give one of torch, .*, exact"),
    ({"dtype": "int8"}, "dtype is 'int8'"),
    ({"labels": list("abcde")}, "give top_k too"),
    ({"classes_of": "prob"}, "give prediction_col or top_k too"),
    ({"labels": "names", "top_k": 1}, "labels is 'names': give a list of texts"),
    ({"labels": {0: "a"}, "top_k": 1}, "labels is {0: 'a'}: give a list"),
    ({"input_col": 3}, "input_col is 3: give the name of a column"),
    ({"prediction_col": True}, "prediction_col is True: give the name of a column"),
    ({"error_col": None}, "error_col is None: give the name of a column"),
    ({"feed": ["content"]}, "feed is ..content..: give a dict"),
    ({"fetch": {"prob": 1}}, "fetch is {'prob': 1}: give a list of blobs"),
    ({"recipe": {"resize": (8, 8)}}, r"give what model.recipe\(...\) returns"),
    ({"binary": None}, "binary is None: give a text"),
    ({"fetch": ["pool9"]}, "no blob 'pool9'"),
    ({"fetch": {"prob": "id"}}, "column 'id' would be there twice"),
    ({"fetch": {"prob": "ID"}}, "column 'ID' would be there twice"),
    ({"fetch": ["prob"], "prediction_col": "prob"}, "column 'prob' would be there twice"),
    ({"fetch": ["prob"], "top_k": 1, "labels": ["a"]}, "1 labels for the 5 classes of 'prob'"),
    ({"fetch": ["conv.1/a"], "prediction_col": "class"}, "conv.1/a"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_cannot_work_is_refused(model: Model, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CaffeError, match=message):
        plan(model, IMAGES, Scoring(**options))


def test_all_wrong_options_are_told_at_once(model: Model) -> None:
    with pytest.raises(CaffeError) as raised:
        plan(model, IMAGES, Scoring(batch_size=-1, engine="x", dtype="y"))
    assert len(raised.value.problems) == 3


TWO = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
layer { name: "half" type: "Power" bottom: "a" top: "half" power_param { scale: 0.5 } }
"""


def test_an_input_that_is_needed_has_a_column(tmp_path: Path) -> None:
    two = small(tmp_path, TWO)
    schema = StructType([StructField("x", ArrayType(FloatType()))])
    assert plan(two, schema, Scoring(feed={"a": "x"}, fetch="half")).job.feeds
    with pytest.raises(CaffeError, match="sum needs the input 'b' too"):
        plan(two, schema, Scoring(feed={"a": "x"}, fetch="sum"))


DETECTIONS = """
layer { name: "loc" type: "Input" top: "loc" input_param { shape { dim: 1 dim: 8 } } }
layer { name: "conf" type: "Input" top: "conf" input_param { shape { dim: 1 dim: 4 } } }
layer { name: "priors" type: "Input" top: "priors" input_param { shape { dim: 1 dim: 2 dim: 8 } } }
layer { name: "found" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors"
  top: "found" detection_output_param { num_classes: 2 keep_top_k: 5
    nms_param { nms_threshold: 0.4 top_k: 5 } } }
"""


def test_detections_are_no_classes(tmp_path: Path) -> None:
    detector = small(tmp_path, DETECTIONS)
    columns = {blob: blob for blob in detector.inputs}
    schema = StructType([StructField(blob, ArrayType(FloatType())) for blob in columns])
    assert added(plan(detector, schema, Scoring(feed=columns)))["found"] == "array<float>"
    with pytest.raises(CaffeError, match="a row of 'found' has depends on the row"):
        plan(detector, schema, Scoring(feed=columns, top_k=3))


def test_a_misspelt_option_is_told_the_right_one() -> None:
    with pytest.raises(CaffeError, match="no option 'outputtype': did you mean 'output_type'"):
        named_options({"outputtype": "vector"})


def test_case_sensitive_sessions_tell_names_apart(model: Model) -> None:
    scoring = Scoring(fetch={"prob": "ID"}, on_error="drop")
    assert added(plan(model, IMAGES, scoring, case_sensitive=True)) == {"ID": "array<float>"}


def test_arrays(model: Model) -> None:
    schema = StructType([StructField("x", ArrayType(FloatType()))])
    (feed,) = plan(model, schema, Scoring()).job.feeds
    assert (feed.kind, feed.shape) == ("array", (3, 8, 8))
