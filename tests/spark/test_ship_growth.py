"""Models that come and go in one session leave its memory and disk as they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import REPO

WARM = 100
"""After so many, Java has compiled what it runs, and is as large as that makes it."""

MODELS = int(os.environ.get("MODELS_THAT_GO", "100"))
"""How many more come and go between the measurements: 500 take some minutes."""

GROWTH = 0.1 / 480
"""What a model may leave of the memory and of the disk in use: of 480, a tenth."""

PROGRAM = """
import gc, json, os, sys, time
from pathlib import Path
import numpy as np
from pyspark.sql import SparkSession
from tests.nets import digits

scratch, early, late = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
options = {
    "spark.local.dir": str(scratch),
    "spark.driver.memory": "1g",
    # a heap that shrinks again, so that memory tells what is in use; code compiled once, early
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -Xms64m -Xmn24m -XX:MinHeapFreeRatio=5"
    " -XX:MaxHeapFreeRatio=10 -XX:TieredStopAtLevel=1 -XX:CompileThresholdScaling=0.1",
    "spark.diskStore.subDirectories": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    # Spark remembers its last thousand jobs, which is no business of the models'
    "spark.ui.enabled": "false",
    "spark.ui.retainedJobs": "5",
    "spark.ui.retainedStages": "5",
    "spark.ui.retainedTasks": "10",
    "spark.sql.ui.retainedExecutions": "5",
}
builder = SparkSession.builder.master("local[1]")
for name, value in options.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()


def said(file):
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):  # what it was of has ended
        return ""


def processes(pid):
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in said(task / "children").split():
            yield from processes(int(child))


def memory(pid):
    lines = said(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return {key: sum(int(x.split()[1]) for x in lines if x.startswith(key)) for key in KEYS}


KEYS = ("Rss",)  # not private pages: those of a forked worker become so as it touches them


def measure():
    for _ in range(2):  # Spark's cleaner learns from one collection what the next can take
        gc.collect()
        spark.sparkContext._jvm.System.gc()
        time.sleep(1)
    found = {}
    for pid in processes(os.getpid()):
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        kind = name if name == "java" else "driver" if pid == os.getpid() else "workers"
        for key, kib in memory(pid).items():
            found[f"{kind} {key}"] = found.get(f"{kind} {key}", 0) + kib
    found["disk"] = sum(path.lstat().st_blocks for path in scratch.rglob("*"))
    return found


rows = spark.createDataFrame([(np.zeros(64).tolist(),)], "image array<float>").coalesce(1)
for turn in range(1, late + 1):
    model = digits()
    model.params["ip2"][1].data[0] = turn
    assert len(model.predict(rows).collect()) == 1
    model.release()
    if turn in (early, late):
        print(json.dumps(measure()))
"""


@pytest.mark.spark
@pytest.mark.slow
def test_models_that_go_leave_nothing(spark_env: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(WARM), str(WARM + MODELS)],
        cwd=REPO,
        env=spark_env,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    before, after = map(json.loads, done.stdout.splitlines())
    assert before.keys() == after.keys()
    grown = {key: after[key] / before[key] - 1 for key in before}
    assert max(grown.values()) <= GROWTH * MODELS, grown
