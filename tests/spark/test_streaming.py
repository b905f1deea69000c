"""A stream of image files: each is scored once, though the program is killed in mid-stream."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bigdl_caffe.spark import CaffeModel
from tests.paths import REPO
from tests.spark.nets import assert_close, blobs, png, small
from tests.spark.stream import start

pytestmark = [pytest.mark.spark, pytest.mark.slow]

BROKEN = 5


def drop(folder: Path, seeds: range) -> None:
    """Put files into the folder that is watched, each at once, as Spark asks for."""
    for seed in seeds:
        part = folder.parent / f"{seed}.part"
        part.write_bytes(b"no image" if seed == BROKEN else png(seed))
        part.rename(folder / f"{seed}.png")


def test_files_are_scored_once_across_a_crash(
    tmp_path: Path, spark: SparkSession, spark_env: dict[str, str]
) -> None:
    (tmp_path / "in").mkdir()
    stage = CaffeModel(small(tmp_path), inputCol="content", fetchDict={"prob": "prob"})
    stage.save(tmp_path / "stage")
    drop(tmp_path / "in", range(6))
    batches = tmp_path / "checkpoint" / "commits"
    program = subprocess.Popen(
        [sys.executable, str(REPO / "tests" / "spark" / "stream.py"), str(tmp_path)],
        env=spark_env,
        start_new_session=True,
    )
    try:
        wait_for(batches / "1", program)
        drop(tmp_path / "in", range(6, 12))
        wait_for(batches / "3", program)
    finally:
        os.killpg(program.pid, signal.SIGKILL)  # the JVM and the workers with it
        program.wait()
    drop(tmp_path / "in", range(12, 14))
    query = start(spark, tmp_path)
    try:
        query.processAllAvailable()
        drop(tmp_path / "in", range(14, 16))
        query.processAllAvailable()
    finally:
        query.stop()
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    seeds = [int(Path(row["path"]).stem) for row in rows]
    assert Counter(seeds) == Counter(range(16))
    good = [(seed, row) for seed, row in zip(seeds, rows, strict=True) if seed != BROKEN]
    assert [row["error"] is None for row in rows] == [seed != BROKEN for seed in seeds]
    for seed, row in good:
        expected = stage.model.run({"data": blobs(range(seed, seed + 1))}, ["prob"])["prob"]
        assert_close(row["prob"], expected[0])


def wait_for(path: Path, program: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while not path.exists():
        assert program.poll() is None, "the program ended by itself"
        assert time.monotonic() < deadline, f"{path.name} is not there"
        time.sleep(0.1)
