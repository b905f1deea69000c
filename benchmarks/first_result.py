"""Measure how long a job takes to its first rows, beside writing and reading its model's file.

    python -m benchmarks.first_result [--net vgg16] [--executors 2]

Each round is a new application of executors of a core each, on this host. Their Python workers
have imported what scoring needs, and the model is loaded; the clock starts with the call that
scores a row on each executor. "file" is what no way can do without: a file as large is written
to the disk, and read back, once for each host that there is: here one. The application's
executors are each as good as a host of its own, and share this one's disk and cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import rows as made
from benchmarks.child import Child, serve
from benchmarks.machine import MIB, ONE_THREAD, keep_pages
from benchmarks.nets import NETS, written
from benchmarks.timing import Times, interleaved, markdown, write_json

FILE = "the file written and read"
PARTS = ("call", "job")
"""What the time to the first rows is made of: folding and sending on the driver, and the job."""


def warmed(batches: Iterator[Any]) -> Iterator[Any]:
    """Import in a worker what scoring needs."""
    import bigdl_caffe.spark.worker  # noqa: F401  (what is warmed is the import)

    time.sleep(1)  # so that the other executor takes the other task
    yield from batches


class Application:
    """A Spark application that scores for the first time."""

    def open(self, net: list[str], executors: int, batch: int, engine: str) -> None:
        """Start it, have its workers import what they need, and load the model."""
        import pyarrow as pa  # noqa: F401  (as on a driver that has read something)

        from bigdl_caffe import Model

        master = f"local-cluster[{executors},1,2048]"
        self._spark = made.session(master)
        self._model = Model.load_caffe_model(*net)
        ((_, shape),) = self._model.inputs.items()
        row = np.zeros(shape[1:], np.float32).tobytes()
        frame = self._spark.createDataFrame([(row,)] * executors, "content binary")
        self._frame = frame.repartition(executors).cache()
        self._frame.mapInArrow(warmed, "content binary").count()
        self._how = {"batch_size": batch, "binary": "float32", "engine": engine}

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
    names = ("open", "first", "again", "close")
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


def measured(args: argparse.Namespace) -> dict[str, Times]:
    """Return the seconds of the file, of the first rows and their parts, and of a second job."""
    files = written(args.folder, args.net)
    net = [str(files.prototxt.resolve()), str(files.caffemodel.resolve())]
    parts: dict[str, list[float]] = {name: [] for name in (*PARTS, "again")}

    def first() -> float:
        with tempfile.TemporaryDirectory() as folder:
            env = {**ONE_THREAD, "SPARK_LOCAL_DIRS": folder}
            with Child("benchmarks.first_result", env) as process:
                process.ask("open", net=net, executors=args.executors, batch=1, engine=args.engine)
                os.sync()
                found: dict[str, float] = process.ask("first")
                again = process.ask("again")
                process.ask("close")
        for name, seconds in {**found, "again": again}.items():
            parts[name].append(seconds)
        return sum(found.values())

    times = interleaved(
        {FILE: through_the_disk(files.caffemodel), "first rows": first}, args.rounds
    )
    return {**times, **{name: Times(tuple(taken)) for name, taken in parts.items()}}


def table(times: dict[str, Times]) -> str:
    """Return the results as markdown."""
    words = {
        "call": "of these: the call, which folds and sends",
        "job": "of these: the job",
        "again": "the same job again",
    }
    base = times[FILE].median
    lines = []
    for what, taken in times.items():
        cells = [words.get(what, what), f"{taken.median:.2f} s", taken.spread("{:.2f}", 1)]
        lines.append([*cells, f"{taken.median / base:.2f}×", taken.load])
    return markdown(["what", "median", "spread, s", "beside the file", "load"], lines)


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
