"""What did not arrive as it was sent is refused; what fetches it leaves nothing behind."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark import SparkFiles
from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.spark.ship import open_shipped, release, ship
from bigdl_caffe.spark.ways import Shipped
from bigdl_caffe.spark.ways import folder as folders
from bigdl_caffe.spark.ways import parcel as parcels
from tests.spark.shipping import (
    Bytes,
    Weights,
    arrivals,
    run_program,
    sent_bytes,
    settings,
)

TICK = 0.02
"""Seconds after which a file's times differ."""

WHERE: dict[str, Callable[[Shipped], Path]] = {
    "mapped": lambda shipped: Path(shipped.carrier._path),
    "artifact": lambda shipped: Path(SparkFiles.get(shipped.carrier)),
    "path": lambda shipped: Path(shipped.carrier),
}
"""The file that workers of local mode map, by way."""


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the executor's local folder, as a worker is told of it."""
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path / "local"))
    return tmp_path / "local"


def altered(data: bytes, change: str) -> bytes:
    copy = bytearray(data)
    if change == "short":
        return bytes(copy[:-8])
    copy[{"head": 0, "middle": len(copy) // 2, "end": -1}[change]] ^= 1
    return bytes(copy)


@pytest.mark.spark
@pytest.mark.parametrize("way", WHERE)
def test_a_file_that_changed_is_refused(
    spark: SparkSession, way: str, tmp_path: Path, local: Path
) -> None:
    model: Any = Weights(20)
    with settings(spark, way=way, path=str(tmp_path)):
        shipped = ship(spark, model)
    path, start = WHERE[way](shipped), shipped.parcel.offset
    whole = path.read_bytes()
    with open_shipped(shipped):
        pass  # it was whole once, which is noted
    for change in ("short", "head", "middle", "end"):
        path.write_bytes(whole[:start] + altered(whole[start:], change))
        with pytest.raises(CaffeFormatError, match="was sent: call the model's release"):
            open_shipped(shipped).__enter__()
    path.write_bytes(whole)  # later jobs of the session compare it to the driver's
    assert {digest for _, digest in arrivals(spark, shipped)} == {model.content_hash}
    release(model)


@pytest.mark.parametrize("way", ["file", "copy"])
def test_bytes_that_changed_are_refused(way: str, local: Path) -> None:
    shipped = sent_bytes(way)
    for change in ("short", "head", "middle", "end"):
        broken = Bytes(altered(shipped.carrier.value, change))
        with pytest.raises(CaffeFormatError, match="was sent: call the model's release"):
            open_shipped(replace(shipped, carrier=broken)).__enter__()
    assert not list(local.glob("*/*.arrow")) + list(local.glob("*/*.part"))


@pytest.mark.spark
def test_a_task_that_gets_other_bytes_fails_with_our_words(spark: SparkSession) -> None:
    model: Any = Weights(21)
    shipped = ship(spark, model)
    path = WHERE["mapped"](shipped)
    path.write_bytes(altered(path.read_bytes(), "middle"))
    with pytest.raises(Exception, match=r"CaffeFormatError: .*bytes of SHA-256"):
        arrivals(spark, shipped)
    release(model)
    assert {digest for _, digest in arrivals(spark, ship(spark, model))} == {model.content_hash}


def test_every_byte_is_read_once_per_executor(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    digest = parcels._digest
    monkeypatch.setattr(parcels, "_digest", lambda p, o: (read.append(p), digest(p, o))[1])
    shipped = sent_bytes()
    for _ in range(3):
        with open_shipped(shipped) as (path, _offset):
            pass
    assert len(read) == 1
    time.sleep(TICK)
    path.chmod(0o600)  # anything done to the file since makes it read again
    with open_shipped(shipped):
        assert len(read) == 2


def test_a_file_that_is_gone_is_named_with_what_helps(tmp_path: Path, local: Path) -> None:
    parcel = sent_bytes().parcel
    shipped = Shipped("path", parcel, str(tmp_path / "gone"))
    with pytest.raises(CaffeFormatError, match=r"gone: .*not there \(No such file.*release\(\)"):
        open_shipped(shipped).__enter__()


def test_a_kept_file_that_is_gone_or_bad_is_fetched_again(local: Path) -> None:
    shipped = sent_bytes()
    with open_shipped(shipped) as (path, _):
        whole = path.read_bytes()
    for damage in (Path.unlink, lambda p: p.write_bytes(altered(whole, "middle"))):
        time.sleep(TICK)
        damage(path)
        with open_shipped(shipped) as (again, _):
            assert again.read_bytes() == whole


def test_the_file_is_for_its_owner_alone(local: Path) -> None:
    shipped = sent_bytes()
    with open_shipped(shipped) as (path, offset):
        assert {p.stat().st_mode & 0o077 for p in path.parent.iterdir() if p.stat().st_size} == {0}
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert offset == 0
    path.parent.chmod(0o777)
    with pytest.raises(CaffeError, match="open to others"):
        open_shipped(shipped).__enter__()


def test_an_executor_keeps_the_files_last_used(local: Path) -> None:
    sent = [sent_bytes(seed=seed) for seed in range(folders.KEPT + 2)]
    for shipped in sent:
        for used in (shipped, sent[0]):
            time.sleep(TICK)
            with open_shipped(used):
                pass
    kept = {path.stem for path in local.glob("*/*.arrow")}
    assert kept == {s.parcel.digest for s in [sent[0], *sent[-folders.KEPT + 1 :]]}
    assert len(list(local.glob("*/*-*"))) == folders.KEPT


def test_a_full_disk_is_told_and_leaves_nothing(local: Path) -> None:
    shipped = sent_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (shipped.parcel.size // 2, hard))
    try:
        with pytest.raises(CaffeError, match=r"cannot keep a model of 0 MB in .*make room there"):
            open_shipped(shipped).__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [path for path in local.glob("*/*") if path.stat().st_size]
    with open_shipped(shipped) as (path, _):
        assert path.read_bytes() == shipped.carrier.value


WORKERS = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from bigdl_caffe.spark.ship import open_shipped
from tests.spark.shipping import sent_bytes

sent = sent_bytes()

class Carrier:
    killed = True

    @property
    def value(self):
        print("fetched", flush=True)
        if self.killed:
            os.kill(os.getpid(), signal.SIGKILL)
        return sent.carrier.value

def start(carrier):
    if os.fork() == 0:
        with open_shipped(replace(sent, carrier=carrier)) as (path, _):
            os._exit(path.read_bytes() != sent.carrier.value)

carrier = Carrier()
start(carrier)
print(os.wait()[1])
carrier.killed = False
for _ in range(4):
    start(carrier)
print(*{os.wait()[1] for _ in range(4)})
"""


def test_workers_that_start_at_once_or_die_while_they_fetch(
    local: Path, spark_env: dict[str, str]
) -> None:
    env = {**spark_env, "SPARK_LOCAL_DIRS": str(local)}
    assert run_program(env, WORKERS, []) == ["fetched", str(signal.SIGKILL.value), "fetched", "0"]
    (left,) = local.glob("*/*.part")
    hours_ago = time.time() - 7200
    os.utime(left, (hours_ago, hours_ago))
    with open_shipped(sent_bytes()):
        assert not left.exists()
