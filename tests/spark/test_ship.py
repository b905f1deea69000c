"""A bundle reaches the workers whole, in every way."""

from __future__ import annotations

import gc
import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pyspark import Broadcast
from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark import ship as shipping
from bigdl_caffe.spark.scoring import score
from bigdl_caffe.spark.ship import ship
from bigdl_caffe.spark.ways import WAYS
from bigdl_caffe.spark.ways.mapped import can_map
from bigdl_caffe.spark.worker import sharing
from tests.spark.nets import assert_close, small
from tests.spark.shipping import Weights, arrivals, run_program, settings


@pytest.mark.spark
@pytest.mark.parametrize("way", WAYS)
def test_every_way_brings_the_same_weights(spark: SparkSession, way: str, tmp_path: Path) -> None:
    model: Any = Weights()
    with settings(spark, way=way, path=str(tmp_path)):
        shipped = ship(spark, model)
    seen = arrivals(spark, shipped)
    assert shipped.way == way
    assert {digest for _, digest in seen} == {model.content_hash}
    if way != "copy":
        assert len({path for path, _ in seen}) == 1


@pytest.mark.spark
def test_the_mapped_way_is_taken_and_logged(
    spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:
    model: Any = Weights(1)
    with caplog.at_level(logging.INFO, "bigdl_caffe"):
        shipped = ship(spark, model)
    assert shipped.way == "mapped"
    (line,) = caplog.messages
    assert model.content_hash[:12] in line
    assert "'mapped'" in line


@pytest.mark.spark
def test_a_model_is_sent_once(spark: SparkSession) -> None:
    model: Any = Weights(2)
    twin: Any = Weights(2)
    assert ship(spark, model) is ship(spark, model) is ship(spark, twin)


@pytest.mark.spark
def test_what_no_model_holds_is_let_go(spark: SparkSession) -> None:
    model: Any = Weights(3)
    key = (spark.sparkContext.applicationId, model.content_hash, "mapped")
    ship(spark, model)
    assert key in shipping._shipped
    del model
    gc.collect()
    assert key not in shipping._shipped


@pytest.mark.spark
def test_a_way_that_is_unknown_or_lacks_its_folder_is_refused(spark: SparkSession) -> None:
    model: Any = Weights()
    with settings(spark, way="pigeon"), pytest.raises(CaffeError, match="'pigeon': set it to one"):
        ship(spark, model)
    with settings(spark, way="path"), pytest.raises(CaffeError, match="'path' takes"):
        ship(spark, model)


def test_without_the_private_parts_of_pyspark_bytes_are_broadcast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = ("_pickled_broadcast_vars", "_temp_dir", "_jvm", "_jsc", "_encryption_enabled")
    context = SimpleNamespace(**dict.fromkeys(parts))
    spark: Any = SimpleNamespace(sparkContext=context, conf={})
    assert shipping._possible(spark)[0] == "mapped"
    del context._temp_dir
    assert shipping._possible(spark)[0] == "file"
    context._temp_dir = ""
    monkeypatch.delattr(Broadcast, "dump")
    assert not can_map(spark)


@pytest.mark.parametrize("way", WAYS)
def test_what_encryption_keeps_from_the_disk_engines_keep_too(way: str) -> None:
    shipped: Any = SimpleNamespace(way=way)
    assert sharing(shipped, b"")["shared"] is (way != "copy")


# --- the shared folder ------------------------------------------------------------------


@pytest.mark.spark
def test_a_shared_folder_is_used_once_it_is_named(spark: SparkSession, tmp_path: Path) -> None:
    model: Any = Weights(10)
    with settings(spark, path=str(tmp_path)):
        shipped = ship(spark, model)
        (file,) = tmp_path.iterdir()
        assert shipped.way == "path"
        assert file.name.startswith(model.content_hash)
        assert file.stat().st_mode & 0o777 == 0o644 & ~umask()
        before = file.stat()
        again = ship(spark, Weights(10))  # type: ignore[arg-type]  # all that is used of a model
        shipping.release(model, spark)
        ship(spark, model)
    assert again is shipped
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.spark
def test_a_shared_folder_elsewhere_is_fetched_from(spark: SparkSession, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    model: Any = Weights(11)
    with settings(spark, path=f"local://{tmp_path}"):  # fsspec's name for what it reads itself
        seen = arrivals(spark, ship(spark, model))
    assert {digest for _, digest in seen} == {model.content_hash}
    (path,) = {path for path, _ in seen}
    assert tmp_path not in Path(path).parents
    assert [file.name[:64] for file in tmp_path.iterdir()] == [model.content_hash]


@pytest.mark.spark
def test_a_shared_folder_that_is_not_there_is_named(spark: SparkSession, tmp_path: Path) -> None:
    model: Any = Weights(12)
    with (
        settings(spark, path=str(tmp_path / "gone")),
        pytest.raises(CaffeError, match=r"there is no folder .*gone"),
    ):
        ship(spark, model)


# --- clusters, encryption --------------------------------------------------------

CLUSTER = """
import sys
from pathlib import Path
from pyspark.sql import SparkSession
from tests.spark.shipping import Weights, arrivals
from bigdl_caffe.spark.ship import release, ship

master, encrypt, *ways = sys.argv[1:]
spark = (
    SparkSession.builder.master(master).config("spark.ui.enabled", "false")
    .config("spark.io.encryption.enabled", encrypt).getOrCreate()
)
model = Weights()
same = lambda seen: {digest for _, digest in seen} == {model.content_hash}
for way in ways:
    if way != "default":
        spark.conf.set("spark.bigdl.caffe.ship", way)
    shipped = ship(spark, model)
    print(shipped.way, same(arrivals(spark, shipped)))
if encrypt == "false":
    spark.conf.set("spark.bigdl.caffe.ship", "mapped")
    shipped = ship(spark, model)
    for path in {path for path, _ in arrivals(spark, shipped)}:
        Path(path).unlink()
    try:
        arrivals(spark, shipped)
    except Exception as error:
        print("gone", "CaffeFormatError" in str(error) and "call its release()" in str(error))
    release(model)
    print("again", same(arrivals(spark, ship(spark, model))))
"""


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        (
            ["local-cluster[2,1,1024]", "false", "default", "file", "artifact"],
            ["mapped", "file", "artifact", "gone", "again"],
        ),
        (["local-cluster[1,1,1024]", "true", "default"], ["copy"]),
    ],
    ids=["plain", "encrypted"],
)
def test_on_a_cluster(spark_env: dict[str, str], arguments: list[str], seen: list[str]) -> None:
    assert run_program(spark_env, CLUSTER, arguments) == [
        word for step in seen for word in (step, "True")
    ]


@pytest.mark.spark
def test_weights_that_changed_are_sent_again(spark: SparkSession, tmp_path: Path) -> None:
    model = small(tmp_path)
    rows = spark.createDataFrame([([0.5] * 192,)], "image array<float>")
    before = score(model, rows, fetch=["prob"]).first()["prob"]
    model.params["ip"][1].detach().numpy()[3] += 5
    after = score(model, rows, fetch=["prob"]).first()["prob"]
    assert after[3] > before[3] + 0.1
    assert_close(after, model.run({"data": np.full((1, 3, 8, 8), 0.5)}, ["prob"])["prob"][0])
