"""Measure how fast a model becomes Caffe's files, beside writing as many bytes with plain Python.

Every measurement is a fresh process, which has loaded the model before the clock starts, and
does its work a few times, the files removed in between; "over itself" saves over what it wrote
before, and so waits for the disk. The best time counts: on a virtual machine whose host takes
free memory back, the first writer of a page waits for it. The ways take turns in every round.
Memory is the growth of the peak that the kernel keeps while the model is saved (``VmHWM``,
cleared before). Linux only.

    python -m benchmarks.save out/nets/vgg16.prototxt out/nets/vgg16.caffemodel
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.child import REPO
from benchmarks.machine import MIB, load_average, peak
from benchmarks.timing import markdown, turns, write_json

REPEATS = 4
OVER_ITSELF = "save_caffe over itself"


Work = Callable[[Path], object]
"""What is timed, given a folder to write into."""


def writing(sync: bool) -> Callable[[Path, Path], Work]:
    """Return what prepares to write the caffemodel's bytes, which are in memory."""

    def prepare(prototxt: Path, caffemodel: Path) -> Work:
        data = caffemodel.read_bytes()

        def work(folder: Path) -> None:
            with (folder / "plain").open("wb") as out:
                out.write(data)
                if sync:
                    out.flush()
                    os.fsync(out.fileno())

        return work

    return prepare


def saving(suffix: str, **how: bool) -> Callable[[Path, Path], Work]:
    """Return what prepares to save the model."""

    def prepare(prototxt: Path, caffemodel: Path) -> Work:
        import bigdl_caffe.save  # noqa: F401  (or it would be imported on the clock)
        from bigdl_caffe import Model

        model = Model.load_caffe_model(prototxt, caffemodel)
        return lambda to: model.save_caffe(to / "net.prototxt", to / f"net{suffix}", **how)

    return prepare


WAYS = {
    "plain Python": writing(sync=False),
    "save_caffe": saving(".caffemodel"),
    "save_caffe, V1": saving(".caffemodel", use_v2=False),
    "save_caffe, HDF5": saving(".caffemodel.h5"),
    "plain Python, synced": writing(sync=True),
    OVER_ITSELF: saving(".caffemodel", overwrite=True),
}


def measure(way: str, prototxt: Path, caffemodel: Path) -> None:
    """Do one way's work a few times, and print what it took."""
    work = WAYS[way](prototxt, caffemodel)
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    seconds = []
    with tempfile.TemporaryDirectory(dir=caffemodel.parent) as folder:
        for _ in range(REPEATS):
            os.sync()
            start = time.perf_counter()
            work(Path(folder))
            seconds.append(time.perf_counter() - start)
            for path in Path(folder).iterdir() if way != OVER_ITSELF else ():
                path.unlink()
    print(json.dumps({"seconds": min(seconds), "grown": peak() - before}))


def run(way: str, prototxt: Path, caffemodel: Path) -> dict[str, float]:
    """Measure ``way`` in a fresh process."""
    files = [str(file.resolve()) for file in (prototxt, caffemodel)]
    command = [sys.executable, "-m", "benchmarks.save", *files, "--once", way]
    done = subprocess.run(command, cwd=REPO, text=True, stdout=subprocess.PIPE, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def table(found: dict[str, list[dict[str, float]]], size: float) -> str:
    """Return the results as a markdown table."""
    base = {way: statistics.median(r["seconds"] for r in runs) for way, runs in found.items()}
    lines = []
    for way, runs in found.items():
        times = [r["seconds"] for r in runs]
        grown = max(r["grown"] for r in runs)
        synced = way in ("plain Python, synced", OVER_ITSELF)
        ratio = base[way] / base["plain Python, synced" if synced else "plain Python"]
        cells = [way, f"{base[way]:.2f} s", f"{min(times):.2f} to {max(times):.2f} s"]
        cells += [f"{ratio:.2f}×{' synced' * synced}", f"{grown:.0f} MiB ({grown / size:.2f}×)"]
        loads = [r["load"] for r in runs]
        lines.append([*cells, f"{min(loads):.1f} to {max(loads):.1f}"])
    return markdown(["way", "median", "spread", "beside plain", "memory", "load"], lines)


def report(prototxt: Path, caffemodel: Path, rounds: int, out: Path) -> None:
    """Measure everything, print the table and write the raw numbers to ``out``."""
    size = caffemodel.stat().st_size / MIB
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for order in turns(list(WAYS), rounds):
        for way in order:
            found[way].append({**run(way, prototxt, caffemodel), "load": load_average()})
    print(f"{caffemodel.name}: {size:.0f} MiB, {rounds} rounds\n\n{table(found, size)}")
    write_json(out, {"runs": found, "size": size})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("prototxt", type=Path)
    parser.add_argument("caffemodel", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("out/save.json"))
    parser.add_argument("--once", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once:
        measure(args.once, args.prototxt, args.caffemodel)
    else:
        report(args.prototxt, args.caffemodel, args.rounds, args.out)


if __name__ == "__main__":
    main()
