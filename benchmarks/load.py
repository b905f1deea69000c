"""Measure how fast a caffemodel becomes a model that runs, beside OpenCV's reader.

Every measurement is a fresh process with the file's pages in the page cache; the clock
starts after the imports. The ways take turns in every round, so that whatever else the
machine does meets all of them, and a ratio is one of medians. Memory is measured in runs
of its own, because watching it costs time: the peak that the kernel keeps (``ru_maxrss``,
which counts the mapped file's pages too), and the peaks of PSS and USS that the parent
reads from ``/proc`` every few milliseconds. Linux only.

    python benchmarks/load.py out/vgg16/vgg16.prototxt out/vgg16/vgg16.caffemodel
"""

from __future__ import annotations

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import PIPE

MIB = 2**20
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
}
REFERENCE = next(iter(WAYS))


# --- one measurement, in a process of its own -------------------------------------------


def peak_rss() -> float:
    """Return this process's peak resident memory so far, in MiB.

    Not ``ru_maxrss``: that begins with the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(way: str, files: Files) -> None:
    """Do one way's work once, and print what it took; wait for the parent before and after."""
    work = WAYS[way](files)
    before = peak_rss()
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    kept = work()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "before": before, "peak": peak_rss()}), flush=True)
    sys.stdin.readline()
    del kept


def rollup(pid: int) -> tuple[float, float]:
    """Return (PSS, USS) of a process in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {name: int(value) for name, value, *_ in map(str.split, lines)}
    return kib["Pss:"] / 1024, (kib["Private_Clean:"] + kib["Private_Dirty:"]) / 1024


def run(way: str, files: Files, watch: bool = False) -> dict[str, float]:
    """Measure ``way`` in a fresh process; with ``watch`` its PSS and USS, else its time."""
    command = [sys.executable, __file__, str(files.prototxt), str(files.caffemodel), "--once", way]
    with subprocess.Popen(command, text=True, stdin=PIPE, stdout=PIPE) as child:
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


def warm(path: Path) -> None:
    """Read a file to have it in the page cache."""
    with path.open("rb", buffering=0) as file:
        while file.read(MIB):
            pass


def rounds(files: Files, count: int) -> dict[str, list[float]]:
    """Return the seconds of ``count`` runs of each way, each round in another order."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for i in range(count):
        warm(files.caffemodel)
        order = list(WAYS)
        for way in order[i % len(order) :] + order[: i % len(order)]:
            seconds[way].append(run(way, files)["seconds"])
    return seconds


def table(seconds: dict[str, list[float]], memory: dict[str, dict[str, float]], size: float) -> str:
    """Return the results as a markdown table; memory in MiB and as a share of the file."""
    reference = statistics.median(seconds[REFERENCE])
    lines = [
        "| way | median | spread | OpenCV takes | peak RSS | growth | PSS | USS |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for way, times in seconds.items():
        middle, seen = statistics.median(times), memory[way]
        peak = f"{seen['peak']:.0f} MiB ({seen['peak'] / size:.2f}×)"
        grown = [seen["peak"] - seen["before"], seen["pss"], seen["uss"]]
        shares = " | ".join(f"{g:.0f} MiB ({g / size:.2f}×)" for g in grown)
        times_text = f"{middle * 1e3:.1f} ms | {min(times) * 1e3:.1f} to {max(times) * 1e3:.1f} ms"
        lines.append(f"| {way} | {times_text} | {reference / middle:.1f}× | {peak} | {shares} |")
    return "\n".join(lines)


def write_arrow(files: Files) -> None:
    """Write our own file of the model, in a process that leaves nothing behind in this one."""
    code = "import sys; from bigdl_caffe import Model; p, c, a = sys.argv[1:]"
    code += "; Model.load_caffe_model(p, c).write_bundle(a)"
    subprocess.run([sys.executable, "-c", code, *map(str, asdict(files).values())], check=True)


def report(files: Files, count: int, out: Path) -> None:
    """Measure everything, print the table and write the raw numbers to ``out``."""
    write_arrow(files)
    size = files.caffemodel.stat().st_size / MIB
    before = os.getloadavg()
    seconds = rounds(files, count)
    memory = {way: run(way, files, watch=True) for way in WAYS}
    load_average = [before, os.getloadavg()]
    print(
        f"{files.caffemodel}: {size:.0f} MiB, {count} rounds, load average "
        f"{before[0]:.1f} before and {load_average[1][0]:.1f} after\n"
    )
    print(table(seconds, memory, size))
    raw = {"seconds": seconds, "memory": memory, "size": size, "load_average": load_average}
    out.write_text(json.dumps(raw, indent=1), encoding="utf-8")


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
