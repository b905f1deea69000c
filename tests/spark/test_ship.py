"""A bundle reaches the workers whole, in every way, and is refused where it did not."""

from __future__ import annotations

import gc
import hashlib
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.spark import ship as shipping
from bigdl_caffe.spark.scoring import score
from bigdl_caffe.spark.ship import CONF, open_shipped, ship
from bigdl_caffe.spark.ways import WAYS, Parcel, Shipped
from bigdl_caffe.weights.table import open_table
from tests.paths import REPO
from tests.spark.nets import assert_close, small


class Weights:
    """What `ship` needs of a model: a hash, and one Arrow file."""

    def __init__(self, seed: int = 0) -> None:
        self.values = np.random.default_rng(seed).random(100_000, np.float32)
        self.content_hash = hashlib.sha256(self.values).hexdigest()
        self.written = 0

    def bundle(self) -> Weights:
        return self

    def write_bundle(self, target: Any) -> str:
        self.written += 1
        batch = pa.RecordBatch.from_pydict({"ip/0": self.column()})
        with pa.ipc.new_file(
            target if hasattr(target, "write") else str(target), batch.schema
        ) as file:
            file.write_batch(batch)
        return self.content_hash

    def column(self) -> pa.Array:
        kind = pa.fixed_shape_tensor(pa.float32(), [self.values.size])
        storage = pa.FixedSizeListArray.from_arrays(pa.array(self.values), self.values.size)
        return pa.ExtensionArray.from_storage(kind, storage)


def arrivals(spark: SparkSession, shipped: Shipped) -> list[tuple[str, str]]:
    """Return what two tasks see: the path, and the hash of the weights that they map."""

    def look(_: Iterator[int]) -> Iterator[tuple[str, str]]:
        with open_shipped(shipped) as (path, offset):
            table, _metadata = open_table(path, offset)
        yield str(path), hashlib.sha256(table.blobs["ip/0"]).hexdigest()

    return spark.sparkContext.parallelize([0, 1], 2).mapPartitions(look).collect()


@pytest.fixture
def way(spark: SparkSession) -> Iterator[Callable[[str], None]]:
    """Set the way for one test."""
    yield lambda name: spark.conf.set(CONF, name)
    spark.conf.unset(CONF)


@pytest.mark.spark
@pytest.mark.parametrize("name", WAYS)
def test_every_way_brings_the_same_weights(spark: SparkSession, way: Any, name: str) -> None:
    way(name)
    model: Any = Weights()
    seen = arrivals(spark, ship(spark, model))
    assert {digest for _, digest in seen} == {model.content_hash}
    if name != "copy":
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
    assert (model.written, twin.written) == (1, 0)


@pytest.mark.spark
def test_what_no_model_and_no_closure_holds_is_let_go(spark: SparkSession) -> None:
    model: Any = Weights(3)
    key = (spark.sparkContext.applicationId, model.content_hash, "mapped")
    ship(spark, model)
    assert key in shipping._shipped
    del model
    gc.collect()
    assert key not in shipping._shipped


@pytest.mark.spark
def test_an_unknown_way_is_refused(spark: SparkSession, way: Any) -> None:
    way("pigeon")
    model: Any = Weights()
    with pytest.raises(CaffeError, match="'pigeon': set it to one of mapped, file, artifact, copy"):
        ship(spark, model)


def altered(path: Path, change: str) -> None:
    data = bytearray(path.read_bytes())
    if change == "short":
        del data[-8:]
    else:
        data[{"magic": 0, "flipped": len(data) // 2}[change]] ^= 1
    path.write_bytes(data)


@pytest.mark.spark
@pytest.mark.parametrize("change", ["short", "magic", "flipped"])
def test_a_file_that_changed_is_refused(spark: SparkSession, way: Any, change: str) -> None:
    way("artifact")
    seed = {"short": 4, "magic": 5, "flipped": 6}[change]
    model: Any = Weights(seed)
    shipped = ship(spark, model)
    from pyspark import SparkFiles

    path = Path(SparkFiles.get(shipped.carrier))
    whole = path.read_bytes()
    altered(path, change)
    with pytest.raises(CaffeFormatError), open_shipped(shipped):
        pass
    path.write_bytes(whole)  # later jobs of the session compare it to the driver's


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    class Carrier:
        _path = str(tmp_path / "gone")

    shipped = Shipped("mapped", Parcel("0", 8), Carrier())
    with pytest.raises(CaffeFormatError, match="did not arrive"), open_shipped(shipped):
        pass


class Bytes:
    """A broadcast of bytes, as a worker sees it."""

    def __init__(self, value: bytes) -> None:
        self.value = value


def sent_bytes(tmp_path: Path) -> Shipped:
    model: Any = Weights()
    path = tmp_path / "bundle.arrow"
    model.write_bundle(path)
    digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    bundle = Parcel(model.content_hash, path.stat().st_size, digest=digest)
    return Shipped("file", bundle, Bytes(path.read_bytes()))


def test_the_file_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path / "local"))
    shipped = sent_bytes(tmp_path)
    with open_shipped(shipped) as (path, offset):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert offset == 0
    with open_shipped(replace(shipped, carrier=None)) as (again, _):
        assert again == path
    path.parent.chmod(0o777)
    with pytest.raises(CaffeError, match="open to others"), open_shipped(shipped):
        pass


def test_bytes_that_changed_never_become_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path / "local"))
    shipped = sent_bytes(tmp_path)
    broken = bytearray(shipped.carrier.value)
    broken[len(broken) // 2] ^= 1
    with (
        pytest.raises(CaffeFormatError, match="changed on the way"),
        open_shipped(replace(shipped, carrier=Bytes(bytes(broken)))),
    ):
        pass
    assert not list(tmp_path.glob("local/*/*"))


CLUSTER = """
import sys
from pyspark.sql import SparkSession
from tests.spark.test_ship import Weights, arrivals, ship
encrypt, *ways = sys.argv[1:]
spark = (
    SparkSession.builder.master("local-cluster[2,1,1024]").config("spark.ui.enabled", "false")
    .config("spark.io.encryption.enabled", encrypt).getOrCreate()
)
for way in ways:
    if way != "default":
        spark.conf.set("spark.bigdl.caffe.ship", way)
    model = Weights()
    shipped = ship(spark, model)
    seen = arrivals(spark, shipped)
    print(shipped.way, {digest for _, digest in seen} == {model.content_hash})
"""


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "taken"),
    [
        (["false", "default", "file", "artifact"], ["mapped", "file", "artifact"]),
        (["true", "default"], ["copy"]),
    ],
)
def test_on_a_cluster(spark_env: dict[str, str], arguments: list[str], taken: list[str]) -> None:
    assert run_program(spark_env, CLUSTER, arguments) == [
        word for way in taken for word in (way, "True")
    ]


CONNECT = """
import logging, sys
from pathlib import Path
from pyspark.sql import SparkSession
from bigdl_caffe.spark.ship import ship
from tests.spark.nets import png, small
spark = SparkSession.builder.remote("local[2]").getOrCreate()
model = small(Path(sys.argv[1]))
df = spark.createDataFrame([(bytearray(png(i)),) for i in range(5)], "content binary")
rows = model.predict(df, fetch=["prob"]).collect()
print(ship(spark, model).way, len(rows), {row["error"] for row in rows})
"""


@pytest.mark.spark
@pytest.mark.slow
def test_on_connect(spark_env: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("grpc_status", reason="needs pip install 'pyspark[connect]'")
    assert run_program(spark_env, CONNECT, [str(tmp_path)]) == ["artifact", "5", "{None}"]


def run_program(env: dict[str, str], program: str, arguments: list[str]) -> list[str]:
    """Return the words that a Python program of its own process prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=REPO,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


@pytest.mark.spark
def test_weights_that_changed_are_sent_again(spark: SparkSession, tmp_path: Path) -> None:
    model = small(tmp_path)
    rows = spark.createDataFrame([([0.5] * 192,)], "image array<float>")
    before = score(model, rows, fetch=["prob"]).first()["prob"]
    model.params["ip"][1].detach().numpy()[3] += 5
    after = score(model, rows, fetch=["prob"]).first()["prob"]
    assert after[3] > before[3] + 0.1
    assert_close(after, model.run({"data": np.full((1, 3, 8, 8), 0.5)}, ["prob"])["prob"][0])
