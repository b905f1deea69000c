"""Measure how fast a model becomes Caffe's files, beside writing as many bytes with plain Python.

Every measurement is a fresh process, which has loaded the model before the clock starts, and
does its work a few times, the files removed in between; "over itself" saves over what it wrote
before, and so waits for the disk. The best time counts: on a virtual machine whose host takes
free memory back, the first writer of a page waits for it. The ways take turns in every round.
Memory is the growth of the peak that the kernel keeps while the model is saved (``VmHWM``,
cleared before). Linux only.

    python benchmarks/save.py out/vgg16/vgg16.prototxt out/vgg16/vgg16.caffemodel
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

MIB = 2**20
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


def peak() -> float:
    """Return this process's peak of resident memory, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


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
    command = [sys.executable, __file__, str(prototxt), str(caffemodel), "--once", way]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def table(found: dict[str, list[dict[str, float]]], size: float) -> str:
    """Return the results as a markdown table."""
    base = {way: statistics.median(r["seconds"] for r in runs) for way, runs in found.items()}
    lines = ["| way | median | spread | beside plain | memory |", "|---|---|---|---|---|"]
    for way, runs in found.items():
        times = [r["seconds"] for r in runs]
        grown = max(r["grown"] for r in runs)
        synced = way in ("plain Python, synced", OVER_ITSELF)
        ratio = base[way] / base["plain Python, synced" if synced else "plain Python"]
        lines.append(
            f"| {way} | {base[way]:.2f} s | {min(times):.2f} to {max(times):.2f} s | "
            f"{ratio:.2f}×{' synced' * synced} | {grown:.0f} MiB ({grown / size:.2f}×) |"
        )
    return "\n".join(lines)


def report(prototxt: Path, caffemodel: Path, rounds: int, out: Path) -> None:
    """Measure everything, print the table and write the raw numbers to ``out``."""
    size = caffemodel.stat().st_size / MIB
    before = os.getloadavg()
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for i in range(rounds):
        order = list(WAYS)
        for way in order[i % len(order) :] + order[: i % len(order)]:
            found[way].append(run(way, prototxt, caffemodel))
    print(
        f"{caffemodel}: {size:.0f} MiB, {rounds} rounds, load average {before[0]:.1f} before and "
        f"{os.getloadavg()[0]:.1f} after\n\n{table(found, size)}"
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"runs": found, "size": size}, indent=1), encoding="utf-8")


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
