"""Imports go one way: each part knows the parts below it and none above."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.paths import REPO

PACKAGE = REPO / "bigdl_caffe"

LEVELS: list[set[str]] = [
    {"__version__", "ahead", "errors", "svg"},
    {"format"},
    {"graph"},
    {"draw"},
    {"layers", "nn"},
    {"weights"},
    {"data", "image"},
    {
        "bigdl_names",
        "bigdl_scoring",
        "bundle",
        "feeding",
        "from_torch",
        "inspection",
        "load",
        "model",
        "nodes",
        "runner",
    }
    | {"save", "transfer", "ways_out"},
    {"spark", "train", "export", "verify", "engine", "quantize"},
    {"optimizer"},
    {"jvm"},
    {"cli", "report", "__main__"},
]
"""From the bottom up. A part may import its own level and those before it."""

ENTRANCES = {
    "__init__": "the package's public names, each imported when it is asked for",
}
"""Parts that may import any other."""

DEFERRED = {
    ("bigdl_scoring", "engine"): "Model.predict computes by an engine, which takes Models",
    (
        "bigdl_scoring",
        "spark",
    ): "Model.predict takes DataFrames and RDDs, and knows one when given it",
    ("bigdl_names", "quantize"): "Model.quantize makes a Model",
    ("model", "quantize"): "a file may hold a QuantizedModel, which is a Model",
    ("ways_out", "export"): "a Model's methods write what the parts above it make of it",
}
"""Upward imports that are allowed inside a function, and what for."""

FIRST = {"torch": "layers", "pyspark": "spark"}
"""The lowest level that may import a package; those below work without it."""


@dataclass(frozen=True)
class Import:
    """One import statement's one name."""

    path: Path
    line: int
    target: str
    deferred: bool

    @property
    def part(self) -> str:
        """The part of the package that the statement stands in."""
        return self.path.relative_to(PACKAGE).parts[0].removesuffix(".py")

    def __str__(self) -> str:
        place = f"{self.path.relative_to(REPO)}:{self.line}"
        return f"{place:<44} imports {self.target}"


def imported(node: ast.AST, path: Path) -> list[str]:
    """Return the dotted names that an import statement names; none for another node."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        here = ["bigdl_caffe", *path.relative_to(PACKAGE).parent.parts]
        base = ".".join([*here[: len(here) - node.level + 1], *filter(None, [base])])
    return [f"{base}.{alias.name}" for alias in node.names]


def imports() -> Iterator[Import]:
    """Yield every import of the package's own source."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "_pb" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        at_once = set(tree.body)
        for node in ast.walk(tree):
            for name in imported(node, path):
                yield Import(path, getattr(node, "lineno", 0), name, node not in at_once)


ALL = list(imports())


def level(part: str) -> int:
    return next(i for i, parts in enumerate(LEVELS) if part in parts)


def own_part(target: str) -> str | None:
    """Return the part that ``target`` belongs to, or None if it is not ours."""
    package, _, rest = target.partition(".")
    return rest.split(".")[0] if package == "bigdl_caffe" else None


def is_upward(statement: Import) -> bool:
    part = own_part(statement.target)
    if part is None or statement.part in ENTRANCES:
        return False
    if statement.deferred and (statement.part, part) in DEFERRED:
        return False
    return level(part) > level(statement.part)


def test_every_part_has_a_level() -> None:
    parts = {i.part for i in ALL} | {p for i in ALL if (p := own_part(i.target))}
    assert parts <= set.union(*LEVELS, ENTRANCES.keys()), "say in LEVELS where the new part belongs"


def test_no_part_imports_one_above_it() -> None:
    wrong = [str(i) for i in ALL if is_upward(i)]
    assert not wrong, "\n".join(["imports that go up:", *wrong])


def test_every_allowance_is_needed() -> None:
    used = {(i.part, own_part(i.target)) for i in ALL if i.deferred}
    assert DEFERRED.keys() <= used


@pytest.mark.parametrize("package", FIRST)
def test_lower_parts_do_without(package: str) -> None:
    users = [i for i in ALL if i.target.split(".")[0] == package and i.part not in ENTRANCES]
    wrong = [str(i) for i in users if level(i.part) < level(FIRST[package])]
    assert not wrong, "\n".join([f"these must work without {package}:", *wrong])


@pytest.mark.parametrize("part", ["bigdl_caffe", "bigdl_caffe.format", "bigdl_caffe.graph"])
def test_importing_is_light(part: str) -> None:
    """Nothing heavy comes along by another's import, which the source does not show."""
    folder = PACKAGE.joinpath(*part.split(".")[1:])
    modules = [part] + [f"{part}.{p.stem}" for p in folder.glob("*.py") if part.count(".")]
    names = ", ".join(m for m in modules if not m.endswith("__"))
    code = f"import sys, {names}; print(*sorted({{'torch', 'pyspark'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
