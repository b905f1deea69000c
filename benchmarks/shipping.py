"""Measure what a model costs each of Spark's Python workers, in private memory and in time.

Every way of sending is a new application on two executors of two workers each, which share
this host. All workers import what scoring needs; their private memory (USS, what the kernel
says in ``/proc/self/smaps_rollup``) is read; they open the model, without a forward pass;
it is read again. "broadcast" is Spark's own broadcast of the same bytes; "nothing" is a
second job that opens no model. Linux only.

    python benchmarks/shipping.py out/nets/vgg16.prototxt out/nets/vgg16.caffemodel
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark import BarrierTaskContext
from pyspark.sql import SparkSession

from bigdl_caffe import Model
from bigdl_caffe.spark.java import ensure_java
from bigdl_caffe.spark.ship import CONF, ship
from bigdl_caffe.spark.worker import prepare

MIB = 2**20
NOTHING, PLAIN = "nothing", "broadcast"
WAYS = [NOTHING, "mapped", "file", "artifact", "copy", PLAIN]
WORKERS = 4


def private() -> int:
    """Return the bytes that only this process has in memory."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def on_every_worker(
    spark: SparkSession, work: Callable[[], object]
) -> dict[int, tuple[int, float]]:
    """Do ``work`` on all workers at once; return by process id the private bytes and seconds."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        list(batches)
        import_module(prepare.__module__)
        BarrierTaskContext.get().barrier()
        start = time.perf_counter()
        kept = work()
        seconds = time.perf_counter() - start
        BarrierTaskContext.get().barrier()
        row = {"pid": [os.getpid()], "bytes": [private()], "seconds": [seconds]}
        yield pa.RecordBatch.from_pydict(row)
        del kept  # not before it was measured

    schema = "pid long, bytes long, seconds double"
    rows = spark.range(0, WORKERS, 1, WORKERS).mapInArrow(run, schema, barrier=True).collect()
    return {row["pid"]: (row["bytes"], row["seconds"]) for row in rows}


def sender(spark: SparkSession, model: Model, way: str) -> Callable[[], object]:
    """Send ``model`` and return what a worker does to have it."""
    if way == NOTHING:
        return lambda: None
    if way == PLAIN:
        memory = io.BytesIO()
        model.write_bundle(memory)
        carrier = spark.sparkContext.broadcast(memory.getvalue())
        return lambda: carrier.value
    spark.conf.set(CONF, way)
    shipped = ship(spark, model)
    return lambda: prepare(None, shipped, b"\x80\x04}.")  # no converters, pickled


def measure(prototxt: Path, caffemodel: Path | None, way: str, heap: int) -> dict[str, Any]:
    """Return the growth of each worker in MiB, and the seconds to send and to open."""
    ensure_java()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (
        SparkSession.builder.master(f"local-cluster[2,{WORKERS // 2},{heap}]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.executor.memory", f"{heap}m")
        .config("spark.driver.memory", f"{heap}m")
        .getOrCreate()
    )
    model = Model.load_caffe_model(prototxt, caffemodel)
    before = on_every_worker(spark, lambda: import_module(Model.__module__))
    start = time.perf_counter()
    work = sender(spark, model, way)
    sent = time.perf_counter() - start
    after = on_every_worker(spark, work)
    spark.stop()
    if before.keys() != after.keys():
        raise SystemExit("Spark started other workers in between: run it again")
    return {
        "before": [before[pid][0] / MIB for pid in after],
        "growth": [(after[pid][0] - before[pid][0]) / MIB for pid in after],
        "sent": sent,
        "opened": max(seconds for _, seconds in after.values()),
    }


def line(way: str, found: dict[str, Any]) -> str:
    """Return a row of the table."""
    growth = ", ".join(f"{mib:.1f}" for mib in found["growth"])
    before = sum(found["before"]) / WORKERS
    return f"| {way} | {before:.0f} | {growth} | {found['sent']:.1f} | {found['opened']:.2f} |"


def main() -> None:
    """Print the table, or of one way what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("prototxt", type=Path)
    parser.add_argument("caffemodel", type=Path, nargs="?", help="else weights of the fillers")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--heap", type=int, default=2048, help="MB for each executor")
    parser.add_argument("--json", action="store_true", help="measure the first way only")
    args = parser.parse_args()
    if args.json:
        print(json.dumps(measure(args.prototxt, args.caffemodel, args.ways[0], args.heap)))
        return
    print("| way | USS before, MiB | growth of each worker, MiB | send, s | open, s |")
    print("|---|---|---|---|---|")
    files = [str(file) for file in (args.prototxt, args.caffemodel) if file]
    for way in args.ways:
        command = [sys.executable, __file__, *files, "--ways", way, "--heap", str(args.heap)]
        done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=True)
        print(line(way, json.loads(done.stdout)), flush=True)


if __name__ == "__main__":
    main()
