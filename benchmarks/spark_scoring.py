"""Measure scoring on Spark beside the same work without Spark, on as many cores.

    python -m benchmarks.spark_scoring [--net resnet50] [--batch 16] [--rows 256]

Spark runs local[2]: two Python workers of one thread each. "without Spark" are two processes of
one thread each, started at once; a round takes until both are done.

- tensors: Spark reads them from Parquet, as float32. Without Spark the bare engine is given the
  numbers in memory, again and again.
- JPEG: files, decoded and resized; without Spark by the same function on the same Arrow batches,
  in memory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import rows as made
from benchmarks.child import Child, serve
from benchmarks.machine import ONE_THREAD
from benchmarks.nets import NETS, written
from benchmarks.timing import Times, interleaved, markdown, seconds, write_json

CORES = 2
KINDS = ("tensors", "JPEG")
SIDE = 256
"""Of the JPEG files: some 60 kB each, of noise over a gradient."""


class Worker:
    """One process of either side, with the model."""

    def __init__(self) -> None:
        self._works: dict[str, Callable[[], object]] = {}

    def _model(self, net: list[str]) -> Any:
        import torch

        from bigdl_caffe import Model

        torch.set_num_threads(1)
        return Model.load_caffe_model(*net)

    def bare(self, net: list[str], folder: str, share: int, batch: int, engine: str) -> None:
        """Make ready what is done without Spark with the ``share``-th file of each kind."""
        import numpy as np
        import pyarrow.parquet as pq
        from pyspark.sql.types import BinaryType, LongType, StructField, StructType

        from bigdl_caffe.engine.opening import Opening, open_engine, sent
        from bigdl_caffe.spark.batches import score_batches
        from bigdl_caffe.spark.plan import Scoring, plan

        model = self._model(net)
        schema = StructType([StructField("id", LongType()), StructField("content", BinaryType())])
        job = plan(model, schema, Scoring(batch_size=batch, engine=engine)).job
        opened = sent(model, engine, job.fetch)
        run = open_engine(engine, Opening(opened, job.fetch, batch, shared=True))
        files = {kind: Path(folder) / kind / f"{share}.parquet" for kind in KINDS}
        tables = {kind: pq.read_table(path) for kind, path in files.items()}
        ((blob, shape),) = model.inputs.items()
        content = tables["tensors"].column("content")[:batch].to_pylist()
        some = np.stack([np.frombuffer(row, np.float32).reshape(shape[1:]) for row in content])
        count = tables["tensors"].num_rows

        def tensors() -> None:
            for start in range(0, count, batch):
                run({blob: some[: min(batch, count - start)]})

        def files_too() -> None:
            batches = iter(tables["JPEG"].to_batches(128))
            for _ in score_batches(batches, job, opened, run=run):
                pass

        self._works = {"tensors": tensors, "JPEG": files_too}

    def spark(self, net: list[str], folder: str, batch: int, engine: str) -> None:
        """Make ready what is done by Spark."""
        spark = made.session(f"local[{CORES}]", **made.ONE_FILE_A_PARTITION)
        model = self._model(net)
        binary = {"tensors": "float32", "JPEG": "image"}
        for kind in KINDS:
            frame = spark.read.parquet(f"{folder}/{kind}")
            how = {"binary": binary[kind], "engine": engine}
            scored = model.predict(frame, batch, **how)
            self._works[kind] = scored.write.format("noop").mode("overwrite").save

    def time(self, kind: str) -> float:
        """Return the seconds of one pass over the rows."""
        return seconds(self._works[kind])


def child() -> None:
    """Serve one process."""
    worker = Worker()
    serve({name: getattr(worker, name) for name in ("bare", "spark", "time")})


def together(children: list[Child], kind: str) -> float:
    """Return the seconds until all of them, started at once, are done."""
    start = time.perf_counter()
    for process in children:
        process.tell("time", kind=kind)
    for process in children:
        process.hear()
    return time.perf_counter() - start


def measured(args: argparse.Namespace, folder: Path) -> dict[str, Times]:
    """Return the seconds of each way."""
    shape = NETS[args.net]().layers[0].options.split("dim: ")[2:]
    row = tuple(int(dim.split()[0]) for dim in shape)
    made.write(folder / "tensors", made.tensors(row), args.rows, CORES)
    made.write(folder / "JPEG", made.pictures(SIDE), args.rows, CORES)
    files = written(args.folder, args.net)
    net = [str(files.prototxt), str(files.caffemodel)]
    how = {"net": net, "folder": str(folder), "batch": args.batch, "engine": args.engine}
    env = {**ONE_THREAD, "SPARK_LOCAL_DIRS": str(folder)}
    with ExitStack() as stack:
        bare = [stack.enter_context(Child("benchmarks.spark_scoring", env)) for _ in range(CORES)]
        spark = stack.enter_context(Child("benchmarks.spark_scoring", env))
        for share, process in enumerate(bare):
            process.ask("bare", share=share, **how)
        spark.ask("spark", **how)
        works = dict(_works(bare, spark))
        for work in works.values():
            work()  # the first pass opens models and warms Java
        return interleaved(works, args.rounds)


def _works(bare: list[Child], spark: Child) -> Iterator[tuple[str, Callable[[], float]]]:
    for kind in KINDS:
        yield f"{kind}, without Spark", lambda kind=kind: together(bare, kind)
        yield f"{kind}, Spark", lambda kind=kind: together([spark], kind)


def table(times: dict[str, Times], rows: int) -> str:
    """Return the results as markdown."""
    lines = []
    for way, taken in times.items():
        base = times[f"{way.partition(',')[0]}, without Spark"].median
        speed = [f"{rows / s:.1f}" for s in (taken.median, max(taken.seconds), min(taken.seconds))]
        told = [way, speed[0], f"{speed[1]} to {speed[2]}", f"{base / taken.median:.2f}×"]
        lines.append([*told, taken.load])
    return markdown(["way", "rows/s", "spread", "of that without Spark", "load"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--net", choices=NETS, default="resnet50")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("out/nets"))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measured(args, Path(folder))
    write_json(args.json, times)
    print(
        f"{args.net}, engine {args.engine}, batch {args.batch}, {args.rows} rows on {CORES} cores"
    )
    print(f"\n{table(times, args.rows)}")


if __name__ == "__main__":
    child() if "--child" in sys.argv else main()
