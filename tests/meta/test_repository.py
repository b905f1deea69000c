"""What holds for every file of the repository."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import REPO

FOLDERS = ["bigdl_caffe", "proto", "tests", "examples", "benchmarks", "docs", "notebooks"]
FOLDERS += ["jvm_bridge", ".ci"]
GENERATED = {"_pb", "__pycache__", "golden"}
TEXT = {".py", ".md", ".proto", ".prototxt", ".toml", ".yaml", ".in", ".ipynb", ""}
MOST_LINES = 300
MOST_LINES_A_FUNCTION = 40


def files() -> list[Path]:
    """Return the repository's own text files."""
    found = [p for p in REPO.glob("*") if p.is_file()]
    found += [p for folder in FOLDERS for p in (REPO / folder).rglob("*") if p.is_file()]
    return sorted(p for p in found if p.suffix in TEXT and not GENERATED & set(p.parts))


FILES = files()
PYTHON = [p for p in FILES if p.suffix == ".py"]
MARKDOWN = [p for p in FILES if p.suffix == ".md"]


def name(path: Path) -> str:
    return str(path.relative_to(REPO))


def lines(pattern: str) -> Iterator[str]:
    """Yield "file:line: text" of the lines that ``pattern`` is found in."""
    for path in FILES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(pattern, line) and path != Path(__file__):
                yield f"{name(path)}:{number}: {line.strip()}"


def test_no_path_of_somebodys_machine() -> None:
    assert not list(lines(r"(?<![\w.~])/(work|root|home|Users)/\w"))


def test_every_exception_to_the_checks_has_its_reason() -> None:
    bare = r"#\s*(type: ignore\[[\w, -]+\]|noqa: [A-Z0-9, ]+)\s*$|#\s*(type: ignore|noqa)\s*$"
    assert not list(lines(bare))


@pytest.mark.parametrize("path", MARKDOWN, ids=name)
def test_links_lead_to_files(path: Path) -> None:
    words = re.sub(r"(?s)```.*?```|`[^`]*`", "", path.read_text(encoding="utf-8"))  # not the code
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", words)
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", MARKDOWN, ids=name)
def test_commands_named_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPO / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", path.read_text(encoding="utf-8"))) <= targets


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < MOST_LINES
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]
    assert [f.name for f in functions if length(f) >= MOST_LINES_A_FUNCTION] == []


def length(function: ast.FunctionDef) -> int:
    """Return the lines of a function's body, its docstring aside."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
