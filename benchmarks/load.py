"""Measure how fast a caffemodel becomes a model that runs, beside OpenCV's reader.

Every measurement is a fresh process with the file's pages in the page cache, or, where the table
says "cold", without: the kernel was told to forget them. The clock starts after the imports.
The ways take turns in every round, so that whatever else the machine does meets all of them,
and a ratio is one of medians. Memory is measured in runs
of its own, because watching it costs time: the peak that the kernel keeps (``ru_maxrss``,
which counts the mapped file's pages too), and the peaks of PSS and USS that the parent
reads from ``/proc`` every few milliseconds. Linux only.

    python -m benchmarks.load out/nets/vgg16.prototxt out/nets/vgg16.caffemodel
"""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from subprocess import PIPE

from benchmarks.child import REPO
from benchmarks.machine import (
    MIB,
    forget_pages,
    keep_pages,
    load_average,
    peak,
    private,
    proportional,
)
from benchmarks.timing import Times, interleaved, markdown, write_json

INTERVAL = 0.004  # seconds between two looks at a process's memory


@dataclass(frozen=True)
class Files:
    """The same model three times: Caffe's two files, and ours."""

    prototxt: Path
    caffemodel: Path
    arrow: Path


# --- what is measured: each imports what it needs and returns the work to time ----------


def opencv(files: Files) -> Callable[[], object]:
    import cv2

    return lambda: cv2.dnn.readNetFromCaffe(str(files.prototxt), str(files.caffemodel))


def index(files: Files) -> Callable[[], object]:
    import bigdl_caffe.format.caffemodel  # noqa: F401  (or it would be imported on the clock)
    from bigdl_caffe.format.source import open_weights

    return lambda: open_weights(str(files.caffemodel))


def load(files: Files) -> Callable[[], object]:
    import bigdl_caffe.format.caffemodel
    import bigdl_caffe.load  # noqa: F401  (as above)
    from bigdl_caffe import Model

    return lambda: Model.load_caffe_model(files.prototxt, files.caffemodel).to_torch()


def reopen(files: Files) -> Callable[[], object]:
    from bigdl_caffe import Model

    return lambda: Model.open_bundle(files.arrow).to_torch()


WAYS = {
    "OpenCV readNetFromCaffe": opencv,
    "load_caffe_model, ready to run": load,
    "index of the blobs only": index,
    "Arrow file, ready to run": reopen,
    "cold: OpenCV readNetFromCaffe": opencv,
    "cold: load_caffe_model, ready to run": load,
    "cold: Arrow file, ready to run": reopen,
}
COLD = "cold: "
REFERENCE = next(iter(WAYS))


# --- one measurement, in a process of its own -------------------------------------------


def measure(way: str, files: Files) -> None:
    """Do one way's work once, and print what it took; wait for the parent before and after."""
    work = WAYS[way](files)
    before = peak()
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    kept = work()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "before": before, "peak": peak()}), flush=True)
    sys.stdin.readline()
    del kept


def rollup(pid: int) -> tuple[float, float]:
    """Return (PSS, USS) of a process in MiB."""
    return proportional(pid), private(pid)


def run(way: str, files: Files, watch: bool = False) -> dict[str, float]:
    """Measure ``way`` in a fresh process; with ``watch`` its PSS and USS, else its time."""
    command = [sys.executable, "-m", "benchmarks.load"]
    command += [str(files.prototxt.resolve()), str(files.caffemodel.resolve()), "--once", way]
    (forget_pages if way.startswith(COLD) else keep_pages)(files.caffemodel, files.arrow)
    with subprocess.Popen(command, cwd=REPO, text=True, stdin=PIPE, stdout=PIPE) as child:
        assert child.stdin
        assert child.stdout
        if child.stdout.readline() != "ready\n":
            raise SystemExit(f"{way}: failed, see above")
        seen = [rollup(child.pid)]
        print(file=child.stdin, flush=True)
        while not select.select([child.stdout], [], [], INTERVAL if watch else None)[0]:
            seen.append(rollup(child.pid))
        result: dict[str, float] = json.loads(child.stdout.readline())
        seen.append(rollup(child.pid))
        print(file=child.stdin, flush=True)
    pss, uss = (max(column) - column[0] for column in zip(*seen, strict=True))
    return result | {"pss": pss, "uss": uss}


# --- the whole -------------------------------------------------------------------------


def rounds(files: Files, count: int) -> dict[str, Times]:
    """Return the seconds of ``count`` runs of each way."""
    works = {way: partial(_seconds, way, files) for way in WAYS}
    return interleaved(works, count)


def _seconds(way: str, files: Files) -> float:
    return run(way, files)["seconds"]


def table(times: dict[str, Times], memory: dict[str, dict[str, float]], size: float) -> str:
    """Return the results as a markdown table; memory in MiB and as a share of the file."""
    header = ["way", "median", "spread", "OpenCV takes", "peak RSS", "growth", "PSS", "USS", "load"]
    lines = []
    for way, taken in times.items():
        seen = memory[way]
        cold = COLD if way.startswith(COLD) else ""
        ratio = times[cold + REFERENCE].median / taken.median
        grown = [seen["peak"], seen["peak"] - seen["before"], seen["pss"], seen["uss"]]
        shares = [f"{mib:.0f} MiB ({mib / size:.2f}×)" for mib in grown]
        cells = [way, f"{taken.median * 1e3:.1f} ms", f"{taken.spread()} ms", f"{ratio:.1f}×"]
        lines.append([*cells, *shares, taken.load])
    return markdown(header, lines)


def write_arrow(files: Files) -> None:
    """Write our own file of the model, in a process that leaves nothing behind in this one."""
    code = "import sys; from bigdl_caffe import Model; p, c, a = sys.argv[1:]"
    code += "; Model.load_caffe_model(p, c).write_bundle(a)"
    subprocess.run([sys.executable, "-c", code, *map(str, asdict(files).values())], check=True)


def report(files: Files, count: int, out: Path) -> None:
    """Measure everything, print the table and write the raw numbers to ``out``."""
    write_arrow(files)
    size = files.caffemodel.stat().st_size / MIB
    before = load_average()
    times = rounds(files, count)
    memory = {way: run(way, files, watch=True) for way in WAYS}
    print(
        f"{files.caffemodel.name}: {size:.0f} MiB, {count} rounds, load average "
        f"{before:.1f} before and {load_average():.1f} after\n"
    )
    print(table(times, memory, size))
    write_json(out, {"times": times, "memory": memory, "size": size})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("prototxt", type=Path)
    parser.add_argument("caffemodel", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("out/load.json"))
    parser.add_argument("--once", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    files = Files(args.prototxt, args.caffemodel, args.caffemodel.with_suffix(".arrow"))
    if args.once:
        measure(args.once, files)
    else:
        report(files, args.rounds, args.out)


if __name__ == "__main__":
    main()
