"""Hundreds of models in one session leave memory and disk as a few did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import REPO

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


def processes(pid):
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from processes(int(child))


def memory(pid):
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except ProcessLookupError:  # it has ended, and its parent has not asked
        return {}
    return {key: sum(int(x.split()[1]) for x in lines if x.startswith(key)) for key in KEYS}


KEYS = ("Rss", "Private_")


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
model = digits()
for _ in range(50):  # Java compiles what it runs, and is larger for that
    model.predict(rows).collect()
model.release()
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
def test_five_hundred_models_leave_what_twenty_did(
    spark_env: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), "20", "500"],
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
    grown = {key: round(after[key] / before[key], 3) for key in before}
    assert max(grown.values()) <= 1.1, grown
