"""What the tests of shipping share: weights that are no net, and programs of their own."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from pyspark.sql import SparkSession

from bigdl_caffe.bundle import HASH, Bundle
from bigdl_caffe.spark.ship import open_shipped
from bigdl_caffe.spark.ways import Parcel, Shipped
from bigdl_caffe.weights.table import WeightTable, open_table
from tests.paths import REPO


class Weights:
    """What `ship` needs of a model: a bundle, here of one blob."""

    def __init__(self, seed: int = 0) -> None:
        values = np.random.default_rng(seed).random(100_000, np.float32)
        self.content_hash = hashlib.sha256(values).hexdigest()
        self._bundle = Bundle(WeightTable({"ip/0": values}), {HASH: self.content_hash})

    def bundle(self) -> Bundle:
        return self._bundle

    def as_bytes(self) -> bytes:
        file = io.BytesIO()
        self._bundle.write_bundle(file)
        return file.getvalue()


class Bytes:
    """A broadcast of bytes, as a worker sees it."""

    def __init__(self, value: bytes) -> None:
        self.value = value


def sent_bytes(way: str = "file", seed: int = 0) -> Shipped:
    """Return weights that were sent by a broadcast of their bytes."""
    model = Weights(seed)
    value = model.as_bytes()
    parcel = Parcel(model.content_hash, len(value), hashlib.sha256(value).hexdigest())
    return Shipped(way, parcel, Bytes(value))


def arrivals(spark: SparkSession, shipped: Shipped) -> list[tuple[str, str]]:
    """Return what two tasks see: the path, and the hash of the weights that they map."""

    def look(_: Iterator[int]) -> Iterator[tuple[str, str]]:
        with open_shipped(shipped) as (path, offset):
            table, _metadata = open_table(path, offset)
        yield str(path), hashlib.sha256(table.blobs["ip/0"]).hexdigest()

    return spark.sparkContext.parallelize([0, 1], 2).mapPartitions(look).collect()


@contextmanager
def settings(spark: SparkSession, **values: str) -> Iterator[None]:
    """Have ``spark.bigdl.caffe.ship`` (``way``) and that of the shared folder (``path``)."""
    names = {"way": "spark.bigdl.caffe.ship", "path": "spark.bigdl.caffe.ship.path"}
    for key, value in values.items():
        spark.conf.set(names[key], value)
    try:
        yield
    finally:
        for key in values:
            spark.conf.unset(names[key])


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
