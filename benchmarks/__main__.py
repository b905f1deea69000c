"""``python -m benchmarks``: measure everything on this machine, side by side, into one report.

Each section is a module of its own, which runs alone too and prints the same tables. Sections
run one after the other; what is compared within one takes turns. The report is
out/bench/report.md, and report.json has every round of every figure; ``python -m
benchmarks.figures`` then puts the tables into the docs.

    python -m benchmarks                        some half an hour on two cores
    python -m benchmarks --quick                a minute or two: small nets, few rounds
    python -m benchmarks --only inference --nets resnet50 squeezenet --batch 16 --rounds 5
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.child import REPO
from benchmarks.machine import described, load_average
from benchmarks.nets import NETS, written
from benchmarks.timing import markdown


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes
    ----------
    title : str
        Its heading.
    command : tuple of str
        Module and words; ``{prototxt}`` and ``{caffemodel}`` are those of the net it is for.
    quick : tuple of str
        Words that make it short.
    passed : tuple of str
        Options of this command that it takes, too.
    net, quick_net : str
        The net whose files it is given, where it names them.
    json : str
        Its option for where to write what it found.
    """

    title: str
    command: tuple[str, ...]
    quick: tuple[str, ...] = ()
    passed: tuple[str, ...] = ("rounds",)
    net: str = ""
    quick_net: str = ""
    json: str = "--json"


FILES = ("{prototxt}", "{caffemodel}")
SMALL = ("--net", "squeezenet")
FEW = ("--rounds", "3")

SECTIONS: Mapping[str, Section] = {
    "limit": Section("The machine's limit", ("limit",), FEW),
    "load": Section(
        "Loading",
        ("load", *FILES),
        ("--rounds", "1"),
        net="vgg16",
        quick_net="googlenet",
        json="--out",
    ),
    "save": Section(
        "Saving",
        ("save", *FILES, *FEW),
        ("--rounds", "1"),
        net="vgg16",
        quick_net="googlenet",
        json="--out",
    ),
    "inference": Section(
        "Inference of one model",
        ("inference", *FEW),
        ("--nets", "lenet", "squeezenet", *FEW),
        ("rounds", "nets", "batch", "engines", "peer"),
    ),
    "spark": Section("Scoring on Spark", ("spark_scoring",), (*SMALL, "--rows", "128", *FEW)),
    "first": Section("First result of a job", ("first_result", *FEW), (*SMALL, "--rounds", "1")),
    "workers": Section(
        "Memory of a host's workers", ("workers",), (*SMALL, "--workers", "4"), passed=()
    ),
    "training": Section(
        "Training", ("training", "--seconds", "5"), ("--rounds", "1", "--seconds", "2"), json=""
    ),
    "growth": Section("Growth", ("growth",), ("--quick",), passed=()),
}


def command(section: Section, args: argparse.Namespace, found: Path) -> list[str]:
    """Return the command line of a section."""
    net = (section.quick_net or section.net) if args.quick else section.net
    files = written(args.folder, net) if net else None
    words = {"prototxt": files.prototxt, "caffemodel": files.caffemodel} if files else {}
    module, *rest = (word.format(**words) for word in section.command)
    line = [sys.executable, "-m", f"benchmarks.{module}", *rest]
    line += section.quick if args.quick else ()
    for name in section.passed:
        value = getattr(args, name)
        line += _option(name, value) if value is not None else []
    return [*line, section.json, str(found)] if section.json else line


def _option(name: str, value: Any) -> list[str]:
    if name == "peer":
        return [word for each in value for word in ("--peer", each)]
    if name == "engines":
        return ["--ways", *value]
    values = value if isinstance(value, list) else [value]
    return [f"--{name}", *map(str, values)]


def reported(name: str, args: argparse.Namespace, out: Path) -> tuple[str, Any]:
    """Run a section; return its part of the report, and what it found."""
    section, found = SECTIONS[name], out / f"{name}.json"
    found.unlink(missing_ok=True)
    line = command(section, args, found)
    start, before = time.perf_counter(), load_average()
    with (out / f"{name}.log").open("w", encoding="utf-8") as log:
        done = subprocess.run(
            line, cwd=REPO, stdout=subprocess.PIPE, stderr=log, text=True, check=False
        )
    loads = f"load average {before:.1f} before, {load_average():.1f} after"
    shown = " ".join(word.removeprefix(f"{REPO}/") for word in line[1:])
    text = f"## {section.title}\n\n`python {shown}` ({time.perf_counter() - start:.0f} s, {loads})"
    part = f"{text}\n\n{done.stdout.strip()}\n"
    if done.returncode:
        part = f"{text}\n\nIt ended with {done.returncode}: see {name}.log.\n\n{done.stdout}"
    else:  # without its heading, for the docs
        (out / f"{name}.md").write_text(part.partition("\n\n")[2], encoding="utf-8")
    raw = json.loads(found.read_text(encoding="utf-8")) if found.exists() else None
    return part, raw


def head() -> str:
    """Return what the figures depend on."""
    return markdown(["what", "here"], [*described().items()])


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's words."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="small nets and few rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--nets", nargs="+", choices=NETS, help="of inference")
    parser.add_argument("--batch", nargs="+", type=int, help="of inference")
    parser.add_argument("--engines", nargs="+", help="of inference: engines and other programs")
    parser.add_argument("--peer", action="append", help="NAME=COMMAND: see benchmarks/command.py")
    parser.add_argument("--folder", type=Path, default=Path("out/nets"), help="of the nets")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    args = parser.parse_args(words)
    args.folder, args.out = args.folder.resolve(), args.out.resolve()
    return args


def main() -> None:
    args = parsed()
    args.out.mkdir(parents=True, exist_ok=True)
    parts, raw = [f"# Benchmarks\n\n{head()}\n"], {"machine": described()}
    print(parts[0], flush=True)
    for name in args.only:
        part, found = reported(name, args, args.out)
        print(part, flush=True)
        parts.append(part)
        raw[name] = found
        (args.out / "report.md").write_text("\n".join(parts), encoding="utf-8")
        (args.out / "report.json").write_text(json.dumps(raw, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
