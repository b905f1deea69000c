"""Fit what scoring costs against rows, tasks, batches and model size; say what that predicts.

    python -m benchmarks.growth

Four small models, each fitted to measurements of its own on this machine (docs/scaling.md tells
why these, and what none of them can say):

- a job on Spark, local[2], of a net so small that only the plumbing counts;
- tasks without Python, which the driver hands out;
- making a bundle, and opening it in a host's first worker and in others;
- a batch of the engine, by its rows.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks import rows as made
from benchmarks.child import Child, serve
from benchmarks.fit import Fit, Point, fitted
from benchmarks.machine import ONE_THREAD, last_core, load_average
from benchmarks.nets import NETS, Files, written
from benchmarks.timing import interleaved, markdown, seconds, write_json

CORES = 2
ROUNDS = 3


@dataclass(frozen=True)
class Scale:
    """What is measured: rows and tasks and batches of a job, nets, and sizes of batches."""

    rows: tuple[int, ...] = (2048, 12288)
    tasks: tuple[int, ...] = (2, 16, 64)
    batches: tuple[int, ...] = (4, 32)
    plain: tuple[int, ...] = (50, 500, 2000)
    sent: tuple[str, ...] = ("squeezenet", "googlenet", "resnet50", "alexnet", "vgg16")
    engine: tuple[int, ...] = (1, 2, 4, 8, 16)


QUICK = Scale((1024, 4096), (2, 16), (4, 32), (50, 500), ("lenet", "squeezenet", "googlenet"))


class Application:
    """Spark with a net of next to no work."""

    def open(self, net: list[str], folder: str, rows: list[int], tasks: list[int]) -> None:
        """Write the rows, start Spark and load the model."""
        from bigdl_caffe import Model

        conf = dict(made.ONE_FILE_A_PARTITION)
        self._spark = made.session(f"local[{CORES}]", **conf)
        self._model = Model.load_caffe_model(*net)
        ((_, shape),) = self._model.inputs.items()
        self._folder = Path(folder)
        for count, files in product(rows, tasks):
            made.write(self._folder / f"{count}-{files}", made.tensors(shape[1:]), count, files)

    def job(self, rows: int, tasks: int, batch: int) -> float:
        """Return the seconds of a job from the call to its last row."""
        frame = self._spark.read.parquet(str(self._folder / f"{rows}-{tasks}"))

        def work() -> None:
            scored = self._model.predict(frame, batch, binary="float32")
            scored.write.format("noop").mode("overwrite").save()

        return seconds(work)

    def plain(self, tasks: int) -> float:
        """Return the seconds of a job whose tasks do nothing."""
        frame = self._spark.range(0, tasks, 1, tasks)
        return seconds(frame.write.format("noop").mode("overwrite").save)


def child() -> None:
    """Serve the application."""
    application = Application()
    serve({name: getattr(application, name) for name in ("open", "job", "plain")})


# --- the models --------------------------------------------------------------------------


def jobs(scale: Scale, files: Files) -> dict[str, Fit]:
    """Return the fits of a job, and of tasks that do nothing."""
    grid = list(product(scale.rows, scale.tasks, scale.batches))
    net = [str(files.prototxt), str(files.caffemodel)]
    orders = [("job", dict(zip(("rows", "tasks", "batch"), p, strict=True))) for p in grid]
    orders += [("plain", {"tasks": count}) for count in scale.plain]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        env = {**ONE_THREAD, "SPARK_LOCAL_DIRS": folder}
        spark = stack.enter_context(Child("benchmarks.growth", env))
        rows, tasks = list(scale.rows), list(scale.tasks)
        spark.ask("open", net=net, folder=f"{folder}/rows", rows=rows, tasks=tasks)
        for order, how in orders[:: len(scale.batches)]:
            spark.ask(order, **how)  # warms Java
        works = {str(i): _asked(spark, *order) for i, order in enumerate(orders)}
        medians = [times.median for times in interleaved(works, ROUNDS).values()]
    points = [
        {"job": 1, "task": t, "batch": max(t, r / b) / CORES, "row": r / CORES} for r, t, b in grid
    ]
    plain = [{"job": 1, "task": float(count)} for count in scale.plain]
    return {
        "a job of scoring": fitted(points, medians[: len(grid)]),
        "tasks that do nothing": fitted(plain, medians[len(grid) :]),
    }


def _asked(process: Child, order: str, how: dict[str, int]) -> Any:
    return lambda: process.ask(order, **how)


def sizes(scale: Scale, folder: Path) -> dict[str, Fit]:
    """Return the fits of making a bundle and of opening it, against the model's megabytes."""
    from benchmarks.workers import ship

    points: list[Point] = []
    taken: dict[str, list[float]] = {"making": [], "the first": [], "others": []}
    for _, name in product(range(ROUNDS), scale.sent):
        files = written(folder, name)
        with tempfile.TemporaryDirectory() as place:
            bundle = Path(place) / "bundle.arrow"
            start = time.perf_counter()
            parcel = ship([str(files.prototxt), str(files.caffemodel)], "torch", bundle)
            taken["making"].append(time.perf_counter() - start)
            how = {"bundle": str(bundle), "parcel": parcel, "batch": 16, "engine": "torch"}
            for which in ("the first", "others"):
                with Child("benchmarks.workers", {**ONE_THREAD, "SPARK_LOCAL_DIRS": place}) as one:
                    one.ask("imported")
                    taken[which].append(seconds(lambda one=one, how=how: one.ask("opened", **how)))
        points.append({"model": 1, "MB": parcel["size"] / 1e6})
    words = {"making": "reading, folding and writing a model", "the first": "opening, first worker"}
    words["others"] = "opening, other workers"
    return {words[which]: fitted(points, each) for which, each in taken.items()}


def batches(scale: Scale, folder: Path, name: str) -> dict[str, Fit]:
    """Return the fit of the default engine's batches, on one core."""
    files = written(folder, name)
    net = {"prototxt": str(files.prototxt), "caffemodel": str(files.caffemodel), "onnx": ""}
    row = [int(dim.split()[0]) for dim in NETS[name]().layers[0].options.split("dim: ")[2:]]
    taken = []
    with Child("benchmarks.ways") as process:
        for batch in scale.engine:
            how = {"net": {**net, "batch": batch}, "shape": [batch, *row], "core": last_core()}
            process.ask("open", way="torch", **how)
            taken.append(sorted(process.ask("time") for _ in range(ROUNDS))[ROUNDS // 2])
    points = [{"batch": 1, "row": float(batch)} for batch in scale.engine]
    return {f"{name}, the engine": fitted(points, taken)}


# --- what they say ------------------------------------------------------------------------


@dataclass(frozen=True)
class Cluster:
    """What is assumed of a cluster, none of which was measured.

    Attributes
    ----------
    bandwidth : float
        Megabytes a second that each host sends, and receives, at the same time.
    block : float
        Megabytes that Spark's broadcast hands on at a time.
    cores : int
        Of each executor; each is a host of its own, with cores like this machine's.
    """

    bandwidth: float = 1000.0
    block: float = 4.0
    cores: int = 4

    def broadcast(self, megabytes: float, executors: int) -> float:
        """Return the seconds in which all executors have a broadcast.

        Executors hand blocks on to each other: the last one has all when the whole has passed
        its own line, and a block has passed as many hosts as it takes to reach all.
        """
        hops = math.ceil(math.log2(executors + 1))
        return (megabytes + hops * self.block) / self.bandwidth


def predicted(
    fits: dict[str, Fit], name: str, megabytes: float, rows: float, executors: int, batch: int = 16
) -> dict[str, float]:
    """Return the seconds of each part of a job, with four tasks for each core."""
    cluster = Cluster()
    cores = executors * cluster.cores
    tasks, size = 4 * cores, {"model": 1, "MB": megabytes}
    job, plain = fits["a job of scoring"].costs, fits["tasks that do nothing"].costs
    engine = fits[f"{name}, the engine"].costs
    task = max(job["task"] - plain["task"], 0.0) * CORES  # in a worker, two of which were busy
    own = (max(job["row"], 0.0) + job["batch"] / batch) * rows / cores + task * tasks / cores
    return {
        "driver: job": job["job"] + fits["reading, folding and writing a model"].seconds(size),
        "driver: tasks": max(plain["task"], 0.0) * tasks,
        "broadcast": cluster.broadcast(megabytes, executors),
        "opening": fits["opening, first worker"].seconds(size),
        "plumbing": own,
        "engine": (engine["row"] + engine["batch"] / batch) * rows / cores,
    }


def table(fits: dict[str, Fit]) -> str:
    """Return the fits as markdown."""
    lines = []
    for what, fit in fits.items():
        for part, cost in fit.costs.items():
            told = f"{1e3 * cost:.3g} ± {1e3 * fit.errors[part]:.2g} ms"
            off = f"{100 * fit.residual:.0f} % ({100 * fit.worst:.0f} %)"
            lines.append([what, f"each {part}", told, fit.points, off])
    return markdown(["what", "for", "costs", "points", "off by, median (most)"], lines)


def predictions(fits: dict[str, Fit], name: str, megabytes: float, rows: float) -> str:
    """Return the table of what is predicted for more and more executors."""
    lines = []
    for executors in (1, 10, 100, 1000):
        parts = predicted(fits, name, megabytes, rows, executors)
        total = sum(parts.values())
        cells = [f"{value:.3g}" for value in (*parts.values(), total)]
        lines.append([executors, *cells, f"{100 * parts['engine'] / total:.0f} %"])
    return markdown(["executors", *(f"{part}, s" for part in parts), "all, s", "engine's"], lines)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=float, default=1e7, help="of the job that is predicted")
    parser.add_argument("--folder", type=Path, default=Path("out/nets"))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(words)
    scale, name = (QUICK, "squeezenet") if args.quick else (Scale(), "resnet50")
    before = load_average()
    fits = jobs(scale, written(args.folder, "lenet"))
    fits |= sizes(scale, args.folder) | batches(scale, args.folder, name)
    megabytes = written(args.folder, name).caffemodel.stat().st_size / 1e6
    write_json(args.json, fits)
    print(f"Load average {before:.1f} before and {load_average():.1f} after\n\n{table(fits)}\n")
    cluster = Cluster()
    print(
        f"{name} ({megabytes:.0f} MB), {args.rows:.0e} rows, batches of 16, executors of", end=" "
    )
    print(f"{cluster.cores} cores, {cluster.bandwidth:.0f} MB/s (assumed), 4 tasks a core\n")
    print(predictions(fits, name, megabytes, args.rows))


if __name__ == "__main__":
    child() if "--child" in sys.argv else main()
