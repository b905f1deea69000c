"""Measure how long a job takes to its first rows, beside writing and reading its model's file.

    python -m benchmarks.first_result [--net vgg16] [--executors 2]

Each round has new applications of executors of a core each, on this host. Their Python workers
have imported what scoring needs, and the model is loaded; the clock starts with the call that
scores a row on each executor. Beside it:

- the file: one as large is written to the disk, and read back, once for each host that there is:
  here one. No way can do without.
- a broadcast: as many bytes by Spark's plain broadcast, to a job that reads their length on each
  executor. It is what Spark takes for the way alone.

The application's executors are each as good as a host of its own, and share this one's disk and
cores. "shared folder" has ``spark.bigdl.caffe.ship.path`` set.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import rows as made
from benchmarks.child import Child, serve
from benchmarks.machine import MIB, ONE_THREAD, keep_pages
from benchmarks.nets import NETS, written
from benchmarks.timing import Times, interleaved, markdown, write_json

FILE = "the file written and read"
PLAIN = "a plain broadcast of as many bytes"
WAYS = {"first rows": False, "first rows, shared folder": True}
"""How a model travels, and whether by a folder that all share."""

PARTS = {
    "call": "of these: the call, which folds and sends",
    "job": "of these: the job",
    "again": "the same job again",
}
"""What the time to the first rows is made of, and what a second job takes."""


def warmed(batches: Iterator[Any]) -> Iterator[Any]:
    """Import in a worker what scoring needs."""
    import bigdl_caffe.spark.worker  # noqa: F401  (what is warmed is the import)

    time.sleep(1)  # so that the other executor takes the other task
    yield from batches


class Application:
    """A Spark application that scores for the first time."""

    def start(self, executors: int, folder: str | None) -> None:
        """Start it, and have its workers import what they need."""
        import pyarrow as pa  # noqa: F401  (as on a driver that has read something)

        conf = {"spark_bigdl_caffe_ship_path": folder} if folder else {}
        self._spark = made.session(f"local-cluster[{executors},1,2048]", **conf)
        self._executors = executors
        frame = self._spark.createDataFrame([(b"",)] * executors, "content binary")
        frame.repartition(executors).mapInArrow(warmed, "content binary").count()

    def open(self, net: list[str], batch: int, engine: str) -> None:
        """Load the model."""
        from bigdl_caffe import Model

        self._model = Model.load_caffe_model(*net)
        ((_, shape),) = self._model.inputs.items()
        row = np.zeros(shape[1:], np.float32).tobytes()
        frame = self._spark.createDataFrame([(row,)] * self._executors, "content binary")
        self._frame = frame.repartition(self._executors).cache()
        self._frame.count()
        self._how = {"batch_size": batch, "binary": "float32", "engine": engine}

    def plain(self, size: int) -> float:
        """Return the seconds in which Spark broadcasts ``size`` bytes that each executor reads."""
        data = np.random.default_rng(0).bytes(size)
        start = time.perf_counter()
        sent = self._spark.sparkContext.broadcast(data)

        def length(rows: Iterator[Any]) -> Iterator[int]:
            time.sleep(1)  # so that the other executor takes the other task
            yield len(sent.value) + 0 * sum(1 for _ in rows)

        parts = self._spark.sparkContext.parallelize(range(self._executors), self._executors)
        assert parts.mapPartitions(length).collect() == [size] * self._executors
        return time.perf_counter() - start - 1

    def first(self) -> dict[str, float]:
        """Return the seconds until the model is sent, and until a row of each executor is there."""
        start = time.perf_counter()
        scored = self._model.predict(self._frame, **self._how)
        sent = time.perf_counter()
        found = scored.collect()
        end = time.perf_counter()
        assert all(row.error is None for row in found), found[0].error
        return {"call": sent - start, "job": end - sent}

    def again(self) -> float:
        """Return the seconds of the same job, done once more."""
        start = time.perf_counter()
        self._model.predict(self._frame, **self._how).collect()
        return time.perf_counter() - start

    def close(self) -> None:
        """End it."""
        self._spark.stop()


def child() -> None:
    """Serve one application."""
    application = Application()
    names = ("start", "open", "plain", "first", "again", "close")
    serve({name: getattr(application, name) for name in names})


def through_the_disk(source: Path) -> Callable[[], float]:
    """Return what writes and reads a file as large as ``source``, in pieces of 1 MiB."""
    data = source.read_bytes()

    def work() -> float:
        with tempfile.TemporaryDirectory(dir=source.parent) as folder:
            path = Path(folder) / "copy"
            start = time.perf_counter()
            with path.open("wb", buffering=0) as out:
                for at in range(0, len(data), MIB):
                    out.write(data[at : at + MIB])
            keep_pages(path)
            return time.perf_counter() - start

    return work


@contextmanager
def application(executors: int, shared: bool = False) -> Iterator[Child]:
    """Give an application of its own; ``shared``: it has a folder that all share."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**ONE_THREAD, "SPARK_LOCAL_DIRS": folder}
        with Child("benchmarks.first_result", env) as process:
            process.ask("start", executors=executors, folder=folder if shared else None)
            yield process
            process.ask("close")


def measured(args: argparse.Namespace) -> dict[str, Times]:
    """Return the seconds of each way, of its parts and a second job, and of what is beside it."""
    files = written(args.folder, args.net)
    net = [str(files.prototxt.resolve()), str(files.caffemodel.resolve())]
    parts: dict[str, list[float]] = {f"{way}: {part}": [] for way in WAYS for part in PARTS}

    def plain() -> float:
        with application(args.executors) as process:
            return float(process.ask("plain", size=files.caffemodel.stat().st_size))

    def first(way: str) -> float:
        with application(args.executors, WAYS[way]) as process:
            process.ask("open", net=net, batch=1, engine=args.engine)
            os.sync()
            found: dict[str, float] = process.ask("first")
            again = process.ask("again")
        for part, seconds in {**found, "again": again}.items():
            parts[f"{way}: {part}"].append(seconds)
        return sum(found.values())

    works = {FILE: through_the_disk(files.caffemodel), PLAIN: plain}
    times = interleaved({**works, **{way: partial(first, way) for way in WAYS}}, args.rounds)
    return {**times, **{name: Times(tuple(taken)) for name, taken in parts.items()}}


def table(times: dict[str, Times]) -> str:
    """Return the results as markdown, each way above its parts."""
    rows = {FILE: FILE, PLAIN: PLAIN}
    for way in WAYS:
        rows |= {way: way, **{f"{way}: {part}": words for part, words in PARTS.items()}}
    lines = []
    for name, words in rows.items():
        taken = times[name]
        cells = [words, f"{taken.median:.2f} s", taken.spread("{:.2f}", 1)]
        beside = [f"{taken.median / times[base].median:.2f}×" for base in (FILE, PLAIN)]
        lines.append([*cells, *beside, taken.load])
    header = ["what", "median", "spread, s", "beside the file", "beside the broadcast", "load"]
    return markdown(header, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--net", choices=NETS, default="vgg16")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--executors", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("out/nets"))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    times = measured(args)
    write_json(args.json, times)
    print(f"{args.net}, engine {args.engine}, {args.executors} executors of a core each\n")
    print(table(times))


if __name__ == "__main__":
    child() if "--child" in sys.argv else main()
