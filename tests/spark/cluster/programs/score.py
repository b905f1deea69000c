"""Score a Parquet by a net on the cluster, and make trouble meanwhile if asked to.

The last line printed is JSON: the processes that were killed, and the seconds it took.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import processes
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe import Model

VICTIMS: dict[str, Callable[[str], list[int]]] = {
    "executor": processes.executors,
    "worker": processes.workers,
}


def kill_half_way(spark: SparkSession, victim: str, killed: list[int]) -> None:
    """Kill one process when half of a stage's tasks are done."""
    context = spark.sparkContext
    tracker = context.statusTracker()
    while not killed:
        time.sleep(0.05)
        for stage in filter(None, map(tracker.getStageInfo, tracker.getActiveStageIds())):
            if 2 * stage.numCompletedTasks >= stage.numTasks > 1:
                killed += VICTIMS[victim](context.applicationId)[:1]
    os.kill(killed[0], signal.SIGKILL)


def slow_at_first(rows: DataFrame, marks: Path) -> DataFrame:
    """Return the rows, whose first partition takes an hour unless it is tried again."""

    def task(batches: Iterator[Any]) -> Iterator[Any]:
        context = TaskContext.get()
        if context and context.partitionId() == 0:
            (marks / f"attempt-{context.attemptNumber()}").touch()
            time.sleep(0 if context.attemptNumber() else 3600)
        yield from batches

    plain = rows.toDF(*(f"c{i}" for i in range(len(rows.columns))))
    return plain.mapInArrow(task, plain.schema).toDF(*rows.columns)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("prototxt", "weights", "source", "target"):
        parser.add_argument(name)
    parser.add_argument("--kill", choices=VICTIMS)
    parser.add_argument("--slow", type=Path, metavar="FOLDER")
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--then", nargs=2, metavar=("PROTOTXT", "TARGET"))
    return parser.parse_args()


def main(given: argparse.Namespace) -> None:
    model = Model.load_caffe_model(given.prototxt, given.weights)
    spark = SparkSession.builder.getOrCreate()
    killed: list[int] = []
    if given.kill:
        watched = (spark, given.kill, killed)
        threading.Thread(target=kill_half_way, args=watched, daemon=True).start()
    start = time.monotonic()
    rows = spark.read.parquet(given.source)
    if given.slow:
        rows = slow_at_first(rows, given.slow)
    scored = model.predict(rows, input_col="image", fetch=["prob"]).drop("image")
    if given.shuffle:
        scored = scored.repartition("id")
    scored.write.parquet(given.target)
    if given.then:
        time.sleep(3)  # executors that have nothing to do may go
        prototxt, target = given.then
        Model.load_caffe_model(prototxt, None).predict(rows, input_col="id").write.parquet(target)
    print(json.dumps({"killed": len(killed), "seconds": time.monotonic() - start}))
    spark.stop()


if __name__ == "__main__":
    main(options())
