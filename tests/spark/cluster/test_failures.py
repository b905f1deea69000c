"""Processes that die or dawdle while a job runs: no row is lost, and none comes twice."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bigdl_caffe import Model
from tests.meta.test_packaging import LEFT_OUT, build
from tests.paths import REPO
from tests.spark.cluster.launch import NET, PROGRAMS, Spark
from tests.spark.cluster.rows import Rows

pytestmark = [pytest.mark.spark, pytest.mark.slow]

A_TASK_A_FILE = {"spark.sql.files.openCostInBytes": 128 << 20}
SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "100ms",
    "spark.speculation.quantile": "0.5",
    "spark.speculation.multiplier": "1.5",
}
DYNAMIC = {
    "spark.executor.cores": "1",
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.shuffleTracking.enabled": "true",
    "spark.dynamicAllocation.initialExecutors": "0",
    "spark.dynamicAllocation.schedulerBacklogTimeout": "1s",
    "spark.dynamicAllocation.executorIdleTimeout": "1s",
}


def score(
    spark: Spark,
    master: str,
    rows: Rows,
    *trouble: object,
    conf: Mapping[str, object],
    **sent: Any,
) -> Path:
    """Score the rows; return where the result lies."""
    target = rows.folder.with_name("out")
    program = (PROGRAMS / "score.py", *NET, rows.folder, target, *trouble)
    done = spark.submit(master, *program, conf=A_TASK_A_FILE | dict(conf), **sent)
    assert done.told()["killed"] == ("--kill" in trouble)
    return target


def test_a_killed_executor(cluster_spark: Spark, lenet: Model, tmp_path: Path) -> None:
    rows = Rows(tmp_path / "in", 20_000, 20).write()
    master = "local-cluster[2,1,2048]"
    rows.check(score(cluster_spark, master, rows, "--kill", "executor", conf={}), lenet)


def test_a_killed_worker_and_a_task_that_hangs(
    cluster_spark: Spark, master: str, lenet: Model, tmp_path: Path
) -> None:
    rows = Rows(tmp_path / "in", 4_000, 8).write()
    trouble = ("--kill", "worker", "--slow", tmp_path)
    rows.check(score(cluster_spark, master, rows, *trouble, conf=SPECULATION), lenet)
    assert (tmp_path / "attempt-1").exists()


def wheel(folder: Path) -> Path:
    """Make a wheel of the package, under a name by which Spark takes it for a zip."""
    copy = folder / "repository"
    shutil.copytree(REPO, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    made = build(copy, "bdist_wheel", os.environ["PATH"])
    return made.rename(made.with_name(f"{made.name}.zip"))


EMBED = """
input: "x" input_shape { dim: 1 dim: 1 }
layer { name: "e" type: "Embed" bottom: "x" top: "e"
  embed_param { num_output: 2 input_dim: 3999 bias_term: false } }
"""


def test_executors_that_come_and_go(
    cluster_spark: Spark, master: str, bare: Path, lenet: Model, tmp_path: Path
) -> None:
    """They have no bigdl_caffe but the wheel that is sent."""
    rows = Rows(tmp_path / "in", 4_000, 8).write()
    net, second = tmp_path / "embed.prototxt", tmp_path / "second"
    net.write_text(EMBED)  # its table has no row for the last id: running that id raises
    trouble = ("--shuffle", "--then", net, second)
    sent = {"options": ["--py-files", wheel(tmp_path)], "python": bare, "installed": False}
    rows.check(score(cluster_spark, master, rows, *trouble, conf=DYNAMIC, **sent), lenet)
    found = pq.read_table(second).sort_by("id")
    assert found["id"].to_pylist() == list(range(4_000))
    assert found["e"].is_valid().to_pylist() == [True] * 3_999 + [False]
    assert found["error"].is_null().to_pylist() == [True] * 3_999 + [False]
