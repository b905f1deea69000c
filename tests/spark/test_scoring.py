"""Scoring DataFrames and RDDs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from pyspark import TaskContext
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, Row, SparkSession

from bigdl_caffe import Layer, Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.scoring import score, score_classes, score_dataframe
from bigdl_caffe.spark.ship import ship
from tests.spark.nets import SMALL, assert_close, blobs, partitions, png, small

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return small(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def images(spark: SparkSession) -> DataFrame:
    """Return 50 images in 3 partitions."""
    rows = [(i, f"image.{i}", bytearray(png(i))) for i in range(50)]
    return spark.createDataFrame(rows, "id int, `my.name` string, content binary").repartition(3)


def check(rows: Sequence[Row], model: Model, column: str = "prob") -> None:
    """Check each row against the model's own answer for its picture."""
    for row in rows:
        expected = model.run({"data": blobs(range(row["id"], row["id"] + 1))}, ["prob"])["prob"]
        assert_close(row[column], expected[0])


@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000])
def test_rows_order_and_columns_are_kept(images: DataFrame, model: Model, batch_size: int) -> None:
    before = images.collect()
    scored = model.predict(images, batch_size=batch_size, fetch=["prob"])
    assert scored.columns == ["id", "my.name", "content", "prob", "error"]
    after = scored.collect()
    assert [row[:3] for row in after] == [row[:3] for row in before]
    assert {row["error"] for row in after} == {None}
    assert partitions(scored) == partitions(images)
    check(after, model)


def test_nothing_runs_before_an_action(
    spark: SparkSession, images: DataFrame, model: Model
) -> None:
    ran = spark.sparkContext.accumulator(0)

    def watch(batches: Iterator[Any]) -> Iterator[Any]:
        ran.add(1)
        yield from batches

    plain = images.select("id", "content")
    watched = plain.mapInArrow(watch, plain.schema)
    scored = score_dataframe(model, watched)
    assert ran.value == 0
    assert scored.count() == 50
    assert ran.value > 0


def test_every_blob_that_is_fetched(images: DataFrame, model: Model) -> None:
    scored = score_dataframe(model, images, fetch=["conv.1/a", "best", "prob"])
    assert dict(scored.dtypes)["conv.1/a"] == "array<float>"
    assert dict(scored.dtypes)["best"] == "float"
    row = scored.where("id = 3").first()
    assert row is not None
    expected = model.run({"data": blobs(range(3, 4))}, ["conv.1/a", "best"])
    assert_close(row["conv.1/a"], expected["conv.1/a"].reshape(-1))
    assert_close(row["best"], expected["best"][0])
    check([row], model)


def test_every_seventh_image_is_broken(spark: SparkSession, model: Model) -> None:
    broken = {i: (b"no picture", png(i)[:60], None)[i % 3] for i in range(0, 1000, 7)}
    rows = [
        (i, None if (b := broken.get(i, png(i))) is None else bytearray(b)) for i in range(1000)
    ]
    df = spark.createDataFrame(rows, "id int, content binary").coalesce(1)
    out = score_dataframe(model, df, batch_size=32).collect()
    assert [row["id"] for row in out] == list(range(1000))
    assert {row["id"] for row in out if row["error"]} == set(broken)
    assert all((row["prob"] is None) == (row["id"] in broken) for row in out)
    check([row for row in out if not row["error"]], model)
    dropped = score_dataframe(model, df, on_error="drop")
    assert dropped.columns == ["id", "content", "best", "prob"]
    assert dropped.count() == 1000 - len(broken)


def test_fail_names_the_row(spark: SparkSession, model: Model) -> None:
    rows = [("a.png", bytearray(png(1))), ("b.png", bytearray(b"?"))]
    df = spark.createDataFrame(rows, "path string, content binary").coalesce(1)
    with pytest.raises(Exception, match=r"CaffeError: row 1 of partition 0 \(path='b.png'\)"):
        score_dataframe(model, df, on_error="fail").collect()


def test_no_rows(spark: SparkSession, model: Model) -> None:
    df = spark.createDataFrame([], "id int, content binary")
    scored = score_dataframe(model, df)
    assert scored.columns == ["id", "content", "best", "prob", "error"]
    assert scored.collect() == []


@pytest.mark.parametrize(
    "kind", ["array<float>", "array<double>", "array<array<array<float>>>", "vector"]
)
def test_numbers(spark: SparkSession, model: Model, kind: str) -> None:
    data = blobs(range(4))
    if kind == "vector":
        given: list[Any] = [Vectors.dense(x.reshape(-1)) for x in data]
        df = spark.createDataFrame(list(enumerate(given)), ["id", "x"])
    else:
        given = [(x if kind.count("array") == 3 else x.reshape(-1)).tolist() for x in data]
        df = spark.createDataFrame([*enumerate(given), (4, None)], f"id int, x {kind}")
    out = sorted(score_dataframe(model, df, fetch=["prob"]).collect(), key=lambda row: row["id"])
    check(out[:4], model)
    assert [bool(row["error"]) for row in out[4:]] == [True] * len(out[4:])


def test_classes(spark: SparkSession, images: DataFrame, model: Model) -> None:
    classes = score_classes(model, images, fetch=["prob"])
    assert classes.columns == ["id", "my.name", "content", "prediction", "error"]
    out = {row["id"]: row["prediction"] for row in classes.collect()}
    expected = model.run({"data": blobs(range(50))}, ["prob"])["prob"].argmax(1)
    assert [out[i] for i in range(50)] == expected.tolist()
    rdd = spark.sparkContext.parallelize(list(blobs(range(50))), 3)
    assert score_classes(model, rdd, fetch=["prob"]).collect() == expected.tolist()


TWO = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
"""


def test_two_inputs(spark: SparkSession, tmp_path: Path) -> None:
    two = small(tmp_path, TWO)
    df = spark.createDataFrame([([1.0, 2.0], [3.0, 4.0])], "x array<float>, y array<float>")
    out = score_dataframe(two, df, feed={"a": "x", "b": "y"}).first()
    assert out is not None
    assert out["sum"] == [4.0, 6.0]
    with pytest.raises(CaffeError, match="say which column each gets"):
        score_dataframe(two, df)
    rdd = spark.sparkContext.parallelize([([1.0, 2.0], [3.0, 4.0])])
    assert score(two, rdd).first().tolist() == [4.0, 6.0]


def test_a_net_of_a_fixed_batch_scores_row_by_row(
    spark: SparkSession, images: DataFrame, tmp_path: Path
) -> None:
    whole = (
        SMALL
        + """
    layer { name: "all" type: "Reshape" bottom: "prob" top: "all"
      reshape_param { shape { dim: 1 dim: -1 } } }"""
    )
    net = small(tmp_path, whole)
    assert not net.row_wise(["all"])
    out = score_dataframe(net, images, fetch=["all"]).collect()
    check(out, net, "all")


KILLING = (
    SMALL
    + """
layer { name: "kill" type: "KillOnce" bottom: "prob" top: "kill" }
"""
)


def kill_once(mark: str) -> type[Layer]:
    """Return a layer that kills its process the first time it runs on a worker.

    The class is made here, so that no worker can import it: it has to travel by value.
    """

    class KillOnce(Layer):
        def module(self, bottoms: Any) -> Any:
            class Killer(torch.nn.Module):
                def forward(self, x: torch.Tensor) -> torch.Tensor:
                    if TaskContext.get() and not os.path.exists(mark):
                        open(mark, "w").close()
                        os.kill(os.getpid(), signal.SIGKILL)
                    return x

            return Killer()

    return KillOnce


def test_a_killed_worker_costs_no_row(images: DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(KILLING)
    mark = tmp_path / "killed"
    own = {"KillOnce": kill_once(str(mark))}
    net = Model.load_caffe_model(path, None, converters=own)
    out = score_dataframe(net, images, fetch=["kill"], batch_size=4).collect()
    assert mark.exists()
    assert sorted(row["id"] for row in out) == list(range(50))
    check(out, net, "kill")


WIDE = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "wide" type: "%s" bottom: "data" top: "wide" %s } }
"""
WIDE_FILLED = 'num_output: 20000 weight_filler { type: "xavier" }'
PRODUCT = WIDE % ("InnerProduct", f"inner_product_param {{ {WIDE_FILLED}")
CONVOLUTION = WIDE % ("Convolution", f"convolution_param {{ kernel_size: 8 {WIDE_FILLED}")


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="needs Linux's /proc")
def test_workers_share_one_copy_of_the_weights(
    spark: SparkSession, images: DataFrame, tmp_path: Path
) -> None:
    nets = {"packed": CONVOLUTION, "as sent": PRODUCT}
    for engine, where in (("exact", "as sent"), ("torch", "as sent"), ("torch", "packed")):
        net = small(tmp_path, nets[where])
        scored = score_dataframe(net, images, fetch=["wide"], engine=engine)
        scored.select("error").collect()
        shipped = ship(spark, net)
        size = shipped.parcel.size
        path = packed(spark, size) if where == "packed" else shipped.carrier._path
        mappings = mapped_by_workers(path)
        assert mappings
        for sizes in mappings.values():
            assert sizes["Rss"] * 1024 > 0.9 * size
            assert sizes["Private_Dirty"] == sizes["Anonymous"] == 0


def packed(spark: SparkSession, size: int) -> str:
    """Return the file of packed weights that are about as large as ``size`` bytes."""
    files = Path(spark.conf.get("spark.local.dir")).rglob("packed/*")  # type: ignore[arg-type]  # it is set
    (path,) = (str(path) for path in files if 0.9 < path.stat().st_size / size < 1.1)
    return path


def mapped_by_workers(path: str) -> dict[int, dict[str, int]]:
    """Return, for each other process that maps ``path``, its kilobytes by kind."""
    found: dict[int, dict[str, int]] = {}
    for smaps in Path("/proc").glob("[0-9]*/smaps"):
        pid = int(smaps.parent.name)
        try:
            lines = smaps.read_text().splitlines() if pid != os.getpid() else []
        except OSError:  # the process has ended meanwhile
            continue
        start = next((i for i, line in enumerate(lines) if path in line), None)
        if start is not None:
            pairs = (line.split(":") for line in lines[start + 1 : start + 20] if "kB" in line)
            found[pid] = {name: int(size.split()[0]) for name, size in pairs}
    return found
