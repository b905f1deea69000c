"""Which columns feed a net, told from a schema; no Spark session runs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml.linalg import MatrixUDT, VectorUDT
from pyspark.sql import SparkSession
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    ByteType,
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.spark.feeds import find_feeds
from tests.spark.nets import small

NET = """
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {} }} }} }}
layer {{ name: "out" type: "Scale" bottom: "data" top: "out" }}
"""
TWO = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 6 } } }
layer { name: "c" type: "Input" top: "c" input_param { shape { dim: 1 dim: 5 } } }
layer { name: "ip" type: "InnerProduct" bottom: "a" top: "ip"
  inner_product_param { num_output: 5 } }
layer { name: "iq" type: "InnerProduct" bottom: "b" top: "iq"
  inner_product_param { num_output: 5 } }
layer { name: "sum" type: "Eltwise" bottom: "ip" bottom: "iq" bottom: "c" top: "sum" }
"""


@pytest.fixture
def net(tmp_path: Path) -> Any:
    """Return what makes a net of one input of a shape, the batch first."""

    def made(*shape: int) -> Model:
        return small(tmp_path, NET.format(" ".join(f"dim: {size}" for size in shape)))

    return made


def schema(**columns: DataType) -> StructType:
    return StructType([StructField(name, kind) for name, kind in columns.items()])


def find(model: Model, columns: StructType, **how: Any) -> Any:
    given = {"input_col": None, "feed": None, "recipe": None, **how}
    return find_feeds(model, columns, **given)


FLOATS = ArrayType(FloatType())
SHAPED = schema(shape=ArrayType(IntegerType()), data=FLOATS)
PICTURE = StructType(
    [
        StructField("origin", StringType()),
        *(StructField(n, IntegerType()) for n in ("height", "width", "nChannels", "mode")),
        StructField("data", BinaryType()),
    ]
)
IMAGE, VECTOR, FLAT = (1, 3, 8, 8), (1, 6), (1, 1)
KINDS: list[tuple[tuple[int, ...], DataType, str]] = [
    (IMAGE, BinaryType(), "encoded"),
    (VECTOR, BinaryType(), "tensor"),
    ((1, 2, 8, 8), BinaryType(), "tensor"),
    (IMAGE, PICTURE, "image"),
    (VECTOR, VectorUDT(), "vector"),
    (IMAGE, FLOATS, "array"),
    (IMAGE, ArrayType(ArrayType(ArrayType(ByteType()))), "array"),
    (VECTOR, ArrayType(DecimalType(9, 2)), "array"),
    (VECTOR, ArrayType(ArrayType(DoubleType())), "array"),
    (VECTOR, SHAPED, "shaped"),
    (FLAT, LongType(), "array"),
]


@pytest.mark.parametrize(("shape", "kind", "expected"), KINDS, ids=str)
def test_kinds_of_spark_types(
    net: Any, shape: tuple[int, ...], kind: DataType, expected: str
) -> None:
    (feed,) = find(net(*shape), schema(label=LongType(), x=kind), input_col="x")
    assert (feed.blob, feed.column, feed.kind, feed.shape) == ("data", 1, expected, shape[1:])
    assert (feed.recipe is None) == (expected not in ("encoded", "image"))
    assert pickle.loads(pickle.dumps(feed)) == feed


REFUSED: list[tuple[tuple[int, ...], DataType, str]] = [
    (VECTOR, StringType(), "column 'x' is string, which the input 'data' cannot take: it takes"),
    (VECTOR, MapType(StringType(), FloatType()), "it takes encoded images or raw numbers"),
    (VECTOR, MatrixUDT(), "it takes"),
    (VECTOR, ArrayType(StringType()), "it takes"),
    (VECTOR, LongType(), "its rows are 6; give them flat, or nested 1 deep"),
    (IMAGE, ArrayType(FLOATS), "its rows are 3×8×8; give them flat, or nested 3 deep"),
    (VECTOR, PICTURE, "its rows are 6, and pictures 1 or 3×"),
]


@pytest.mark.parametrize(("shape", "kind", "message"), REFUSED, ids=str)
def test_types_that_cannot_be_the_input(
    net: Any, shape: tuple[int, ...], kind: DataType, message: str
) -> None:
    model, columns = net(*shape), schema(x=kind)
    with pytest.raises(CaffeError, match=message):
        find(model, columns, input_col="x")
    with pytest.raises(CaffeError, match="no column can be the input"):
        find(model, columns)


FILES = schema(
    path=StringType(), modificationTime=TimestampType(), length=LongType(), content=BinaryType()
)


def test_the_one_candidate_is_found(net: Any) -> None:
    assert find(net(*IMAGE), FILES)[0].column == 3
    assert find(net(*IMAGE), schema(label=LongType(), image=PICTURE))[0].column == 1
    features = schema(image=PICTURE, features=VectorUDT())
    assert find(net(*VECTOR), features)[0].column == 1  # of which no picture can be
    with pytest.raises(CaffeError, match="image, features could each be the input"):
        find(net(*IMAGE), features)


@pytest.mark.parametrize(
    ("names", "asked", "expected"),
    [
        (["a.b", "a", "b"], "a.b", 0),
        (["Image", "image"], "image", 1),
        (["label", "Image"], "image", 1),
        (["iMage", "Image"], "image", "there are 2 columns 'image'"),
        (["image", "image"], "image", "there are 2 columns 'image'"),
        (["a"], "image", r"there is no column 'image' .* the columns are a \(array<float>\)"),
    ],
)
def test_names_are_compared_as_spark_does(
    net: Any, names: list[str], asked: str, expected: int | str
) -> None:
    columns = StructType([StructField(name, FLOATS) for name in names])
    if isinstance(expected, int):
        assert find(net(*VECTOR), columns, input_col=asked)[0].column == expected
        return
    with pytest.raises(CaffeError, match=expected):
        find(net(*VECTOR), columns, input_col=asked)


def test_several_inputs_each_by_its_own(tmp_path: Path) -> None:
    model = small(tmp_path, TWO)
    columns = schema(left=BinaryType(), right=BinaryType(), more=BinaryType())
    feeds = find(model, columns, feed={"a": "left", "b": "right", "c": "more"})
    assert [feed.kind for feed in feeds] == ["encoded", "encoded", "tensor"]
    assert [feed.recipe and feed.recipe.shape for feed in feeds] == [(3, 8, 8), (1, 4, 6), None]
    told = {"a": "uint8", "b": "auto", "c": "float64"}
    feeds = find(model, columns, feed={"a": "left", "b": "right", "c": "more"}, binary=told)
    assert [feed.kind for feed in feeds] == ["tensor", "encoded", "tensor"]
    assert [feed.dtype for feed in feeds] == ["uint8", "float32", "float64"]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    columns = schema(left=StringType(), right=BinaryType(), more=LongType())
    feed = {"a": "left", "b": "right", "c": "more", "d": "left"}
    with pytest.raises(CaffeError) as caught:
        find(small(tmp_path, TWO), columns, feed=feed, recipe=Recipe(1, resize=(9, 9)))
    assert [problem[:30] for problem in caught.value.problems] == [
        "column 'left' is string, which",
        "the recipe makes images of (1,",
        "column 'more' is bigint, which",
        "the net has no input 'd': its ",
    ]


def test_options_that_cannot_be(net: Any) -> None:
    model, columns = net(*VECTOR), schema(x=BinaryType())
    with pytest.raises(CaffeError, match="binary is 'float31' for 'data': give one of auto, image"):
        find(model, columns, binary="float31")
    with pytest.raises(CaffeError, match="pictures need exactly one input of shape"):
        find(model, columns, binary="image")
    with pytest.raises(CaffeError, match="input_col or feed, not both"):
        find(model, columns, input_col="x", feed={"data": "x"})
    with pytest.raises(CaffeError, match="there is no column 'y'"):
        find(model, columns, feed={"data": "y"})


@pytest.mark.spark
def test_what_spark_itself_reads(spark: SparkSession, net: Any, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for kind in ("binaryFile", "image"):
        columns = spark.read.format(kind).load(str(tmp_path / "images")).schema
        assert find(net(*IMAGE), columns)[0].kind == {"image": "image"}.get(kind, "encoded")
