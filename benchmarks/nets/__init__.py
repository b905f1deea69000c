"""Nets to measure with: known structures, seeded random weights, so that nothing is downloaded.

``python -m benchmarks.nets out/nets`` writes them. They are written from the papers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.nets.branched import googlenet, resnet50, squeezenet
from benchmarks.nets.caffemodel import write_caffemodel
from benchmarks.nets.draft import Draft
from benchmarks.nets.mobile import mobilenet, ssd
from benchmarks.nets.plain import alexnet, lenet, vgg16

NETS: Mapping[str, Callable[[], Draft]] = {
    "lenet": lenet,
    "alexnet": alexnet,
    "googlenet": googlenet,
    "vgg16": vgg16,
    "resnet50": resnet50,
    "squeezenet": squeezenet,
    "mobilenet": mobilenet,
    "ssd": ssd,
}
"""What drafts each net, by the name of its files."""

VERSION = "1"
"""Part of what says whether files that are there are these: counted up when weights change."""


@dataclass(frozen=True)
class Files:
    """A net's two files."""

    prototxt: Path
    caffemodel: Path


def written(folder: Path, name: str, seed: int = 0) -> Files:
    """Return the files of a net below ``folder``, written if they are not there."""
    draft = NETS[name]()
    files = Files(folder / f"{name}.prototxt", folder / f"{name}.caffemodel")
    text = f"# version {VERSION}, seed {seed}\n{draft.prototxt()}"
    there = files.prototxt.exists() and files.caffemodel.exists()
    if not there or files.prototxt.read_text(encoding="utf-8") != text:
        folder.mkdir(parents=True, exist_ok=True)
        part = files.caffemodel.with_suffix(".part")
        write_caffemodel(part, draft, seed)
        part.replace(files.caffemodel)
        files.prototxt.write_text(text, encoding="utf-8")  # last: it says that both are whole
    return files
