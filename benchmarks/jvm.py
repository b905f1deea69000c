"""What Scala costs beside Python: rows scored, one forward call, and start to first result.

    python -m benchmarks.jvm [--rows 10000] [--rounds 5]

A program in Scala (Jvm.scala) and one in Python (`drive`) do the same by spark-submit on
local[2]: they load a residual net of 8 layers, score JPEGs of 32 x 32 pixels, and call forward
on a net that only takes a mean, with a picture of 3 x 224 x 224. Both are there all the time,
and one works while the other waits, in turns. Starts are programs of their own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
from google.protobuf import text_format
from pyspark.sql import SparkSession

from bigdl_caffe import Model
from bigdl_caffe.jvm import jar_path
from bigdl_caffe.spark.java import ensure_java

Found = dict[str, list[float]]
SPARK = Path(pyspark.__file__).parent
SIDE, DIFFERENT, CALLS = 32, 64, 20
MEAN = """
input: "data" input_shape { dim: 1 dim: 3 dim: 224 dim: 224 }
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean"
  pooling_param { pool: AVE global_pooling: true } }
"""
CONF = {
    "spark.master": "local[2]",
    "spark.driver.memory": "1g",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "OFF",
}


def write(folder: Path, rows: int) -> list[str]:
    """Write a net, its weights, rows and the small net; return their paths."""
    from benchmarks.scoring import jpegs
    from benchmarks.training import resnet

    paths = [folder / name for name in ("net.prototxt", "net.caffemodel", "rows.parquet")]
    small = folder / "mean.prototxt"
    (folder / "trained.prototxt").write_text(text_format.MessageToString(resnet(1)))
    Model.load_caffe_model(folder / "trained.prototxt", None).save_caffe(paths[0], paths[1])
    files = jpegs(SIDE)
    table = pa.table({"id": range(rows), "content": [files[i % DIFFERENT] for i in range(rows)]})
    pq.write_table(table, paths[2], row_group_size=-(-rows // 8))
    small.write_text(MEAN)
    return [*map(str, paths), str(small)]


def drive(orders: str, prototxt: str, caffemodel: str, parquet: str, small: str) -> None:
    """Do in Python what Jvm.scala does in Scala."""
    spark = SparkSession.builder.getOrCreate()
    rows = spark.read.parquet(parquet)
    model = Model.load_caffe_model(prototxt, caffemodel)
    model.predict(rows, 64).head()
    print("first", flush=True)
    mean = Model.load_caffe_model(small, None)
    image = np.ones((1, 3, 224, 224), np.float32)
    works = {
        "rows": lambda: model.predict(rows, 64).write.format("noop").mode("overwrite").save(),
        "call": lambda: [mean.forward(image) for _ in range(CALLS)],
    }
    with open(orders) as lines:
        for what in map(str.strip, lines):
            print(seconds(works[what]) / (CALLS if what == "call" else 1), flush=True)
    spark.stop()


def seconds(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def commands(folder: Path) -> dict[str, list[str]]:
    """Return how each program is started, but for where it reads what to measure."""
    jar, source = folder / "jvm.jar", Path(__file__).with_name("Jvm.scala")
    jars = f"{SPARK / 'jars' / '*'}"
    scalac = [f"{ensure_java()}/bin/java", "-cp", jars, "scala.tools.nsc.Main"]
    classes = f"{jars}{os.pathsep}{jar_path()}"
    subprocess.run([*scalac, "-cp", classes, "-d", jar, source], check=True)
    conf = [word for name, value in CONF.items() for word in ("--conf", f"{name}={value}")]
    submit = [str(SPARK / "bin" / "spark-submit"), *conf]
    return {
        "Python": [*submit, __file__, "--drive"],
        "Scala": [*submit, "--class", "Jvm", "--jars", jar_path(), str(jar)],
    }


class Program:
    """A program that measures what it is told, in a process of its own.

    Attributes
    ----------
    start : float
        Seconds from its start to its first result.
    """

    def __init__(self, command: list[str], paths: list[str]) -> None:
        began = time.perf_counter()
        env = {**os.environ, "PYSPARK_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
        orders = tempfile.mktemp(dir=Path(paths[0]).parent)  # spark-submit keeps its own stdin
        os.mkfifo(orders)
        command = [*command, orders, *paths]
        self._process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        self._out = cast(IO[str], self._process.stdout)
        assert "first\n" in self._out, command  # Java may have warned before
        self.start = time.perf_counter() - began
        self._orders = open(orders, "w", buffering=1)  # noqa: SIM115  # end() closes it

    def measure(self, what: str) -> float:
        """Return the seconds of a measurement."""
        print(what, file=self._orders)
        return float(self._out.readline())

    def end(self) -> None:
        """Let it end, and wait until it has."""
        self._orders.close()
        self._process.wait()


def starts(ways: Mapping[str, list[str]], paths: list[str], rounds: int) -> Found:
    """Return the seconds to the first result."""
    found: Found = {way: [] for way in ways}
    for _ in range(rounds):
        for way, command in ways.items():
            program = Program(command, paths)
            found[way].append(program.start)
            program.end()
    return found


def measured(ways: Mapping[str, list[str]], paths: list[str], rounds: int) -> dict[str, Found]:
    """Return the seconds of what is measured in programs that have started."""
    found: dict[str, Found] = {what: {way: [] for way in ways} for what in ("rows", "call")}
    programs = {way: Program(command, paths) for way, command in ways.items()}
    for turn in range(rounds + 1):
        for what, each in found.items():
            for way, program in programs.items():
                each[way].append(program.measure(what))
                if turn == 0:
                    each[way].clear()  # the first warms Java
    for program in programs.values():
        program.end()
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--drive", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.drive:
        drive(*args.drive)
        return
    with tempfile.TemporaryDirectory() as name:
        paths = write(Path(name), args.rows)
        ways = commands(Path(name))
        found = {"start": starts(ways, paths, args.rounds), **measured(ways, paths, args.rounds)}
    print(f"{args.rows} rows, load average {os.getloadavg()[0]:.1f}\n")
    print("| what | Python | Scala | ratio | difference |\n|---|---|---|---|---|")
    for what, each in found.items():
        told = [
            f"{statistics.median(s):.4g} s ({min(s):.4g} to {max(s):.4g})" for s in each.values()
        ]
        python, scala = (statistics.median(s) for s in each.values())
        print(f"| {what} | {' | '.join(told)} | {scala / python:.2f}× | {scala - python:.4g} s |")


if __name__ == "__main__":
    main()
