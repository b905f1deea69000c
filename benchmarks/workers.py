"""Measure what each worker of a host adds to its memory.

    python -m benchmarks.workers [--net vgg16] [--workers 16] [--batch 1]

Workers are processes that open the same bundle by the functions that Spark's workers call, one
after the other, and stay. Anonymous memory (pages of no file, a process's own) is read when all is
imported, when the model and its engine are open, and when a batch has been run: what opening adds
is what the weights cost a worker, what the run adds are its activations. What the host has in use
is the sum of all PSS, in which shared pages count once: its growth from worker to worker is the
price of one more.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child import Child, serve
from benchmarks.machine import MIB, ONE_THREAD, anonymous, load_average, proportional
from benchmarks.nets import NETS, written
from benchmarks.timing import markdown, write_json

NO_CONVERTERS = b"\x80\x04}."
"""An empty dict, pickled."""


class Worker:
    """A worker's process."""

    def imported(self) -> float:
        """Import what a worker does, and return the anonymous MiB."""
        import torch

        import bigdl_caffe.spark.worker  # noqa: F401  (its memory is not the model's)

        torch.set_num_threads(1)
        return anonymous()

    def opened(self, bundle: str, parcel: dict[str, Any], batch: int, engine: str) -> float:
        """Open the model and its engine, as a task does; return the anonymous MiB."""
        from bigdl_caffe.engine.opening import Opening
        from bigdl_caffe.spark import worker
        from bigdl_caffe.spark.ways import Parcel, Shipped

        shipped = Shipped("path", Parcel(**parcel), bundle)
        model = worker.prepare(None, shipped, NO_CONVERTERS)
        opening = Opening(model, model.outputs, batch, shared=True)
        self._run = worker.engine(model, engine, opening)
        ((blob, shape),) = model.inputs.items()
        self._feed = {blob: np.ones((batch, *shape[1:]), np.float32)}
        return anonymous()

    def ran(self) -> float:
        """Run a batch, and return the anonymous MiB."""
        self._run(self._feed)
        return anonymous()

    def shares(self) -> float:
        """Return the MiB of this process, shared pages by its share."""
        return proportional()


def child() -> None:
    """Serve one worker."""
    worker = Worker()
    serve({name: getattr(worker, name) for name in ("imported", "opened", "ran", "shares")})


def ship(net: list[str], engine: str, bundle: Path) -> dict[str, Any]:
    """Write what Spark would send, and return what the workers have to find."""
    from bigdl_caffe import Model
    from bigdl_caffe.engine.opening import sent
    from bigdl_caffe.spark.ways.parcel import Sealed

    model = Model.load_caffe_model(*net)
    made = sent(model, engine, model.outputs).bundle()
    with bundle.open("wb") as out:
        sealed = Sealed(out)
        made.write_bundle(sealed)  # type: ignore[arg-type]  # typeshed: RawIOBase is no IO[bytes]
        parcel = sealed.parcel(made.content_hash)
    return {name: getattr(parcel, name) for name in ("content_hash", "size", "digest", "offset")}


def measured(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return for each worker what opening and running added, and the host's memory with it."""
    files = written(args.folder, args.net)
    bundle = folder / "bundle.arrow"
    parcel = ship([str(files.prototxt), str(files.caffemodel)], args.engine, bundle)
    env = {**ONE_THREAD, "SPARK_LOCAL_DIRS": str(folder)}
    found: dict[str, Any] = {"opening": [], "running": [], "host": [], "imports": []}
    how = {"bundle": str(bundle), "parcel": parcel, "batch": args.batch, "engine": args.engine}
    with ExitStack() as stack:
        workers: list[Child] = []
        for _ in range(args.workers):
            workers.append(stack.enter_context(Child("benchmarks.workers", env)))
            imported = workers[-1].ask("imported")
            opened = workers[-1].ask("opened", **how)
            ran = workers[-1].ask("ran")
            found["imports"].append(imported)
            found["opening"].append(opened - imported)
            found["running"].append(ran - opened)
            found["host"].append(sum(worker.ask("shares") for worker in workers))
    return {**found, "weights": parcel["size"] / MIB, "load": load_average()}


def table(found: dict[str, Any]) -> str:
    """Return the results as markdown: the first worker, which makes what all share, and others."""
    weights, host = found["weights"], found["host"]
    lines = []
    for name, which in (("the first", slice(0, 1)), ("each other, median", slice(1, None))):
        if not found["opening"][which]:
            continue
        opening, running = (statistics.median(found[k][which]) for k in ("opening", "running"))
        grown = [b - a for a, b in zip([0, *host], host, strict=False)][which]
        imports = statistics.median(found["imports"][which])
        cells = [f"{mib:.1f}" for mib in (imports, opening, running, statistics.median(grown))]
        most = max(found["opening"][which])
        share = f"{100 * opening / weights:.1f} % ({100 * most / weights:.1f} % at most)"
        lines.append([name, *cells, share])
    header = ["worker", "imports", "opening", "a batch", "host's growth", "opening, of the weights"]
    return markdown(header, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--net", choices=NETS, default="vgg16")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("out/nets"))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(args, Path(folder))
    write_json(args.json, found)
    print(f"{args.net}, engine {args.engine}, batch {args.batch}, {args.workers} workers,", end=" ")
    print(f"weights {found['weights']:.0f} MiB, load average {found['load']:.1f}; MiB\n")
    print(table(found))


if __name__ == "__main__":
    child() if "--child" in sys.argv else main()
