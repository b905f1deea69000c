"""Models as functions of Spark SQL."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DoubleType,
    FloatType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.spark import vectorized
from bigdl_caffe.spark.udf import register_udf
from bigdl_caffe.spark.vectorized import HAS_ARROW
from tests.conftest import ON_CONNECT
from tests.spark.nets import assert_close, blobs, picture, png, small

pytestmark = pytest.mark.spark

NUMBERS, INTEGER = ArrayType(FloatType()), IntegerType()
SHAPED = [StructField("shape", ArrayType(INTEGER)), StructField("data", NUMBERS)]
IMAGE = [StructField(name, INTEGER) for name in ("height", "width", "nChannels", "mode")]
IMAGE = [StructField("origin", StringType()), *IMAGE, StructField("data", BinaryType())]
FIELDS = {
    "id": INTEGER,
    "png": BinaryType(),
    "flat": NUMBERS,
    "nested": ArrayType(ArrayType(ArrayType(DoubleType()))),
    "vector": VectorUDT(),
    "shaped": StructType(SHAPED),
    "image": StructType(IMAGE),
}
SCHEMA = StructType([StructField(name, kind) for name, kind in FIELDS.items()])
LABELS = ["ant", "bee", "cat", "dog", "eel"]
COUNT, BROKEN = 12, 5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return small(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def prob(model: Model) -> np.ndarray:
    """Return the scores of the pictures."""
    return model.run({"data": blobs(range(COUNT))}, ["prob"])["prob"]


def forms(seed: int) -> tuple[Any, ...]:
    """Return a picture in all the forms that a column may have; one is broken in all."""
    if seed == BROKEN:
        return seed, bytearray(b"no picture"), None, None, None, None, None
    blob = blobs(range(seed, seed + 1))[0]
    flat = blob.reshape(-1).tolist()
    pixels = bytearray(picture(seed)[:, :, ::-1].tobytes())
    image, shaped = ("", 8, 8, 3, 16, pixels), ([3, 8, 8], flat)
    return seed, bytearray(png(seed)), flat, blob.tolist(), Vectors.dense(flat), shaped, image


@pytest.fixture(scope="module", autouse=True)
def tables(spark: SparkSession) -> None:
    """Make the view "t" of pictures, in two partitions and one that is empty."""
    rows = spark.createDataFrame([forms(seed) for seed in range(COUNT)], SCHEMA)
    rows.coalesce(2).union(rows.where("id < 0")).createOrReplaceTempView("t")


@pytest.fixture(scope="module")
def sql(spark: SparkSession) -> Callable[[str], list[Any]]:
    """Return what runs a query and returns its rows."""
    return lambda query: spark.sql(query).collect()


INPUTS = ["png", "flat", "nested", "vector", "shaped", "image"]


@pytest.mark.parametrize("arrow", [HAS_ARROW, False] if HAS_ARROW else [False])
def test_any_column_that_can_be_an_input(
    spark: SparkSession,
    model: Model,
    prob: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    arrow: bool,
) -> None:
    monkeypatch.setattr(vectorized, "HAS_ARROW", arrow)
    register_udf(spark, "caffe", model, "prob", batch_size=4)
    for name in INPUTS:
        rows = spark.table("t").selectExpr("id", f"caffe({name}) p").collect()
        out = {row["id"]: row["p"] for row in rows}
        assert out.pop(BROKEN) is None
        assert_close([out[i] for i in sorted(out)], np.delete(prob, BROKEN, 0))


SQL_TYPES: list[tuple[dict[str, Any], str]] = [
    ({"fetch": "prob"}, "array<float>"),
    ({"fetch": "best"}, "float"),
    ({"fetch": "prob", "output_type": "binary"}, "binary"),
    ({"fetch": "conv.1/a", "output_type": "struct"}, "struct<shape:array<int>,data:array<float>>"),
    ({"fetch": "prob", "output_type": "class"}, "int"),
    ({"fetch": "prob", "top_k": 2}, "array<struct<class:int,score:float>>"),
    ({"fetch": ["prob", "best"]}, "struct<prob:array<float>,best:float>"),
    ({"fetch": {"prob": "p", "one": "o"}}, "struct<p:array<float>,o:array<float>>"),
    ({"fetch": "prob", "on_error": "struct"}, "struct<prob:array<float>,error:string>"),
]


@pytest.mark.parametrize(("options", "kind"), SQL_TYPES)
def test_what_a_blob_becomes(
    spark: SparkSession, model: Model, prob: np.ndarray, options: dict[str, Any], kind: str
) -> None:
    register_udf(spark, "caffe", model, **options)
    scored = spark.sql(f"select id, caffe(png) r from t where id in (3, {BROKEN})")
    assert scored.dtypes[1] == ("r", kind)
    out = {row["id"]: row["r"] for row in scored.collect()}
    assert RIGHT[kind](out[3], prob[3])
    if "error" in kind:
        assert out[3].error is None
        assert out[BROKEN].prob is None
        assert "not a picture" in out[BROKEN].error
    elif HAS_ARROW or not kind.startswith("struct"):
        assert out[BROKEN] is None


@pytest.mark.skipif(not HAS_ARROW, reason="from Spark 4.1 on")
def test_vectors(spark: SparkSession, model: Model, prob: np.ndarray, sql: Any) -> None:
    register_udf(spark, "vectors", model, "prob", output_type="vector")
    (row,) = sql("select vectors(png) v, vectors(null) n from t where id = 3")
    assert close(row.v.toArray(), prob[3])
    assert row.n is None


def close(found: Any, expected: np.ndarray) -> bool:
    return bool(np.abs(np.asarray(found) - expected).max() < 1e-5)


RIGHT: dict[str, Callable[[Any, np.ndarray], bool]] = {
    "array<float>": close,
    "binary": lambda r, p: close(np.frombuffer(r, "<f4"), p),
    "int": lambda r, p: bool(r == p.argmax()),
    "array<struct<class:int,score:float>>": lambda r, p: (
        [x["class"] for x in r] == np.argsort(-p)[:2].tolist()
    ),
    "struct<prob:array<float>,best:float>": lambda r, p: close(r.prob, p),
    "struct<p:array<float>,o:array<float>>": lambda r, p: close(r.p, p) and len(r.o) == 1,
    "struct<prob:array<float>,error:string>": lambda r, p: close(r.prob, p),
    "float": lambda r, p: isinstance(r, float),
    "struct<shape:array<int>,data:array<float>>": lambda r, p: list(r.shape) == [4, 6, 6],
}


def test_views_filters_groups_and_every_way_to_call(
    spark: SparkSession, model: Model, prob: np.ndarray, sql: Any
) -> None:
    function = register_udf(spark, "top", model, "prob", top_k=3, labels=LABELS)
    register_udf(spark, "prob", model, "prob")
    best = prob.argmax(1)
    sql("create or replace temp view labelled as select id, top(png)[0].label label from t")
    labels = {row.id: row.label for row in sql("select * from labelled where label is not null")}
    assert labels == {i: LABELS[best[i]] for i in range(COUNT) if i != BROKEN}
    known = [i for i in range(COUNT) if i != BROKEN and prob[i, 3] > 0.5]
    assert [row.id for row in sql("select id from t where prob(png)[3] > 0.5")] == known
    groups = sql("select label, count(*) n from labelled group by label")
    assert sum(row.n for row in groups) == COUNT
    t = spark.table("t").where("id = 3")
    calls = [
        function("png"),
        function(F.col("png")),
        F.expr("top(png)"),
        F.call_function("top", "png"),
    ]
    (row,) = t.select(*(call[0]["class"] for call in calls)).collect()
    assert set(row) == {best[3]}
    assert t.selectExpr("TOP(png)[0].class c").first().c == best[3]  # type: ignore[union-attr]  # one row


def test_a_permanent_view_is_refused_by_spark(spark: SparkSession, model: Model, sql: Any) -> None:
    register_udf(spark, "caffe", model, "prob")
    with pytest.raises(Exception, match=r"(?i)temporary.* function|type FUNCTION"):
        sql("create view forever as select caffe(array(1, 2)) c")


@pytest.mark.parametrize(
    "query",
    [
        "select caffe(x)[0] a, caffe(x)[1] b from numbers",
        "select caffe(x)[0] a, count(*) from numbers group by caffe(x)[0]",
        "select c from numbers lateral view explode(array(caffe(x))) as c where c[0] > 0.5",
    ],
)
def test_called_twice_it_runs_once(spark: SparkSession, model: Model, query: str) -> None:
    register_udf(spark, "caffe", model, "prob")
    spark.range(2).selectExpr("array(id) x").createOrReplaceTempView("numbers")
    (row,) = spark.sql(f"explain {query}").collect()
    (called,) = re.findall(r"ArrowEvalPython \[(.*?)\]", row[0])
    assert called.count("caffe(") == 1


TWO = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "minus" type: "Eltwise" bottom: "a" bottom: "b" top: "minus"
  eltwise_param { coeff: 1 coeff: -1 } }
"""


def test_several_inputs_literals_and_nulls(spark: SparkSession, tmp_path: Path, sql: Any) -> None:
    register_udf(spark, "minus", small(tmp_path, TWO))
    assert sql("select minus(array(5, 6), array(1.5, 2.5)) m")[0].m == [3.5, 3.5]
    assert sql("select minus(array(5, 6), null) m, minus(null, null) n")[0] == (None, None)
    bits = np.array([1, 2], "<f4").tobytes().hex()
    out = sql(f"select minus(array(id, id), X'{bits}') m from range(0, 4, 1, 2) order by id")
    assert [row.m for row in out] == [[i - 1.0, i - 2.0] for i in range(4)]


def test_errors_reach_who_asked(spark: SparkSession, model: Model) -> None:
    register_udf(spark, "strict", model, "prob", on_error="fail")
    with pytest.raises(Exception, match=r"CaffeError: strict\(\): .*; that is row"):
        spark.sql("select strict(png) from t").collect()


def test_it_outlives_the_model_and_may_be_replaced(
    spark: SparkSession, tmp_path: Path, sql: Any
) -> None:
    net = small(tmp_path, TWO)
    register_udf(spark, "f", net)
    del net
    gc.collect()
    if not ON_CONNECT:  # Java's collector, after which Spark frees what nothing refers to
        spark.sparkContext._jvm.java.lang.System.gc()  # type: ignore[union-attr]  # it runs
    assert sql("select f(array(1, 2), array(0, 0)) r")[0].r == [1.0, 2.0]
    register_udf(spark, "F", small(tmp_path, TWO.replace("coeff: -1", "coeff: -2")))
    assert sql("select f(array(1, 2), array(1, 1)) r")[0].r == [-1.0, 0.0]


@pytest.mark.skipif(ON_CONNECT, reason="the server's JVM is not this process's to call")
def test_scala_calls_it(spark: SparkSession, model: Model, prob: np.ndarray) -> None:
    """The session's own object of the JVM is what Scala programs have."""
    register_udf(spark, "caffe", model, "prob", output_type="class")
    session: Any = spark._jsparkSession
    rows = session.sql("select caffe(png) c from t where id = 3").collectAsList()
    assert rows.get(0).getInt(0) == prob[3].argmax()


def test_a_recipe_of_its_own(spark: SparkSession, model: Model, sql: Any) -> None:
    halved = Recipe(scale=0.5, resize=(8, 8))
    register_udf(spark, "halved", model, "prob", recipe=halved)
    expected = model.run({"data": blobs(range(1)) / 2}, ["prob"])["prob"][0]
    assert_close(sql("select halved(png) p from t where id = 0")[0].p, expected)


def test_raw_numbers_of_a_picture(spark: SparkSession, model: Model, prob: np.ndarray) -> None:
    register_udf(spark, "raw", model, "prob", binary="float32")
    rows = [(bytearray(blobs(range(1))[0].tobytes()),)]
    spark.createDataFrame(rows, "raw binary").createOrReplaceTempView("raw_numbers")
    assert_close(spark.sql("select raw(raw) p from raw_numbers").collect()[0].p, prob[0])


PROBLEMS: list[tuple[dict[str, Any], str]] = [
    ({"name": "my caffe"}, "cannot be named 'my caffe'"),
    ({"name": "a.b"}, "cannot be named"),
    ({"fetch": "pool5"}, "no blob 'pool5'"),
    ({"output_type": "list"}, "output_type is 'list'"),
    ({"on_error": "column"}, "on_error is 'column': give one of null"),
    ({"top_k": 2}, "classes are one blob's, of best, prob"),
    ({"fetch": "best", "top_k": 2}, "not one list of scores"),
    ({"fetch": "prob", "top_k": 2, "output_type": "binary"}, "leave out output_type"),
    ({"fetch": "prob", "top_k": 2, "labels": ["a"]}, "1 labels for the 5 classes"),
    ({"batch_size": 0}, "batch_size is 0"),
    ({"recipe": Recipe(resize=(9, 9))}, "the recipe makes images of"),
]


@pytest.mark.parametrize(("how", "message"), PROBLEMS)
def test_problems_are_told_at_once(
    spark: SparkSession, model: Model, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(CaffeError, match=message):
        register_udf(spark, **{"name": "caffe", "model": model, **how})
