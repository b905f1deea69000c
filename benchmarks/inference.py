"""Measure inference of one model: our engines and other programs, on one thread of one core.

    python -m benchmarks.inference [--nets resnet50 ...] [--batch 1 16] [--ways OpenCV torch ...]

All read the same prototxt and caffemodel (onnxruntime and OpenVINO by our export), and are given
the same rows. Each is a process of its own, and they take turns: see `benchmarks.child`. How far
each one's numbers are from those of Caffe's order of operations stands beside its speed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import limit
from benchmarks.agreement import agreement
from benchmarks.child import Child, FailedError
from benchmarks.command import Command
from benchmarks.machine import last_core
from benchmarks.nets import NETS, Files, written
from benchmarks.timing import Times, interleaved, markdown, write_json
from benchmarks.ways import EXACT, REFERENCE, ways

MOST = 40.0
"""Seconds that the rounds of a net and a batch may take: slow nets have fewer, but three."""

Works = dict[str, Callable[[], float]]


@dataclass(frozen=True)
class Row:
    """What was measured of one way."""

    net: str
    batch: int
    way: str
    times: Times
    beside_reference: float | None
    limit: float
    agrees: str
    opened: float
    memory: float
    warned: str = ""


def onnx_file(files: Files) -> Path:
    """Return the net as an ONNX file, written by our export unless it is there already."""
    path = files.prototxt.with_suffix(".onnx")
    newest = max(file.stat().st_mtime for file in (files.prototxt, files.caffemodel))
    if not path.exists() or path.stat().st_mtime < newest:
        code = "import sys; from bigdl_caffe import Model; p, c, o = sys.argv[1:]"
        code += "; Model.load_caffe_model(p, c).to_onnx(o)"
        words = [str(file) for file in (files.prototxt, files.caffemodel, path)]
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
        )
        if done.returncode:  # the ways that need it say that it is not there
            print(f"no ONNX file: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
    return path


def macs(files: Files) -> int:
    """Return the multiply-accumulates of a row in convolutions and matrix products."""
    from bigdl_caffe import Model

    model = Model.load_caffe_model(files.prototxt, None)
    counted = zip(model.net.layers, model._assembled.macs(), strict=True)
    return sum(n for layer, n in counted if layer.type in ("Convolution", "InnerProduct"))


def batch_text(files: Files, batch: int, folder: Path) -> Path:
    """Write the prototxt with another batch, for commands."""
    path = folder / f"{files.prototxt.stem}-{batch}.prototxt"
    text = files.prototxt.read_text(encoding="utf-8")
    path.write_text(text.replace("dim: 1 ", f"dim: {batch} ", 1), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Job:
    """A net and a batch, and where what is measured of them goes."""

    name: str
    files: Files
    onnx: Path
    shape: tuple[int, ...]
    macs: int
    limit: float
    core: int
    folder: Path
    batch: int = 1

    def net(self) -> dict[str, Any]:
        """Return it as a child is told."""
        files = {**asdict(self.files), "onnx": self.onnx}
        return {**{key: str(path) for key, path in files.items()}, "batch": self.batch}


Answers = dict[str, dict[str, Any]]


def opened(job: Job, children: Mapping[str, Child]) -> tuple[Answers, dict[str, str]]:
    """Open the net in all children at once; return their answers, and why others cannot."""
    shape = [job.batch, *job.shape]
    for way, process in children.items():
        process.tell("open", way=way, net=job.net(), shape=shape, core=job.core)
    answers: Answers = {}
    reasons: dict[str, str] = {}
    for way, process in children.items():
        try:
            answers[way] = process.hear()
            process.ask("output", path=str(job.folder / f"{way}.npy"))
        except FailedError as error:
            reasons[way] = str(error)
            answers.pop(way, None)
    return answers, reasons


def measure(
    job: Job, children: Mapping[str, Child], commands: Sequence[Command], rounds: int
) -> tuple[list[Row], dict[str, str]]:
    """Return a row for each way that works, and the reasons of the others."""
    answers, reasons = opened(job, children)
    works: Works = {way: _timer(children[way]) for way in answers}
    text = batch_text(job.files, job.batch, job.folder)
    for command in commands:
        try:
            command.seconds(text, job.files.caffemodel, job.batch, job.core)
        except FailedError as error:
            reasons[command.name] = str(error)
            continue
        works[command.name] = _command_timer(command, job, text)
    round_takes = sum(work() for work in works.values())
    times = interleaved(works, max(3, min(rounds, int(MOST / max(round_takes, 1e-3)))))
    return [_row(job, way, times, answers.get(way), children) for way in times], reasons


def _timer(process: Child) -> Callable[[], float]:
    return lambda: float(process.ask("time"))


def _command_timer(command: Command, job: Job, text: Path) -> Callable[[], float]:
    return lambda: command.seconds(text, job.files.caffemodel, job.batch, job.core)


def _row(
    job: Job,
    way: str,
    times: Mapping[str, Times],
    answer: Mapping[str, Any] | None,
    children: Mapping[str, Child],
) -> Row:
    taken = times[way]
    reference = times[REFERENCE].median / taken.median if REFERENCE in times else None
    share = 2 * job.macs * job.batch / taken.median / job.limit
    row = Row(job.name, job.batch, way, taken, reference, share, "", 0.0, 0.0)
    if answer is None:
        return row
    agrees, exact = "", job.folder / f"{EXACT}.npy"
    if exact.exists():
        agrees = agreement(np.load(job.folder / f"{way}.npy"), np.load(exact))
    memory = children[way].ask("memory")["peak"]
    return replace(
        row, agrees=agrees, opened=answer["seconds"], memory=memory, warned=answer["warned"]
    )


def measured_net(job: Job, names: Sequence[str], args: argparse.Namespace) -> dict[str, Any]:
    """Measure all batches of a net; print a table for each, and return rows and reasons."""
    children = {way: Child("benchmarks.ways") for way in names}
    rows: list[Row] = []
    reasons: dict[str, str] = {}
    try:
        for batch in sorted(args.batch):
            found, why = measure(replace(job, batch=batch), children, args.peer, args.rounds)
            print(f"\n{job.name}, batch {batch}\n\n{table(found)}", flush=True)
            for way, reason in why.items():
                print(f"\n{way} is left out: {reason}", flush=True)
            rows += found
            reasons |= why
    finally:
        for process in children.values():
            process.__exit__(None, None, None)
    return {"rows": rows, "left_out": reasons}


def table(rows: Sequence[Row]) -> str:
    """Return rows as markdown."""
    header = ["way", "ms a row", "spread", "of OpenCV", "of the limit", "from exact", "open, s"]
    lines = []
    for row in rows:
        ms, ratio = 1e3 / row.batch, row.beside_reference
        cells = [row.way, f"{ms * row.times.median:.2f}", row.times.spread("{:.2f}", ms)]
        cells += [f"{ratio:.2f}×" if ratio else "", f"{100 * row.limit:.0f} %"]
        cells += [row.agrees + " (fell back)" * ("not used" in row.warned), f"{row.opened:.1f}"]
        lines.append([*cells, f"{row.memory:.0f}", row.times.load])
    return markdown([*header, "memory, MiB", "load"], lines)


def summary(rows: Sequence[Row]) -> str:
    """Return the table of all nets: how many times as fast as OpenCV each way is."""
    kinds = list(dict.fromkeys((row.net, row.batch) for row in rows))
    names = list(dict.fromkeys(row.way for row in rows))
    ratios = {(row.net, row.batch, row.way): row.beside_reference for row in rows}
    lines = []
    for net, batch in kinds:
        found = [ratios.get((net, batch, way)) for way in names]
        lines.append([net, batch, *(f"{ratio:.2f}×" if ratio else "" for ratio in found)])
    return markdown(["net", "batch", *names], lines)


def jobs(args: argparse.Namespace, folder: Path) -> Sequence[Job]:
    """Return what is to be measured, the files written where they are not there."""
    best = limit.limits(*limit.measured(3))
    core, most = last_core(), max(best.values())
    found = []
    for name in args.nets:
        files = written(args.folder, name)
        side = NETS[name]().layers[0].options.split("dim: ")[2:]
        shape = tuple(int(dim.split()[0]) for dim in side)
        found.append(Job(name, files, onnx_file(files), shape, macs(files), most, core, folder))
    told = ", ".join(f"{kind} {rate / 1e9:.0f} GFLOP/s" for kind, rate in best.items())
    print(f"One thread on core {core}; the limit: {told}.", flush=True)
    return found


def parsed() -> argparse.Namespace:
    """Return the command line's words."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--ways", nargs="+", choices=ways(), default=list(ways()))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("out/nets"))
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--peer",
        type=Command.parsed,
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="a command that is measured too: see benchmarks/command.py",
    )
    return parser.parse_args()


def main() -> None:
    args = parsed()
    with tempfile.TemporaryDirectory() as folder:
        found = {job.name: measured_net(job, args.ways, args) for job in jobs(args, Path(folder))}
    write_json(args.json, found)
    rows = [row for each in found.values() for row in each["rows"]]
    print(f"\nTimes of OpenCV, as multiples of each way's\n\n{summary(rows)}")


if __name__ == "__main__":
    main()
