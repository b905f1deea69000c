"""The notebooks run from beginning to end, and show what is stored in them."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from tests.paths import REPO

pytest.importorskip("cv2")
pytest.importorskip("sklearn")

NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))
SHOWN_BY = {"image/svg+xml": "_repr_svg_", "image/png": "_repr_png_", "text/html": "_repr_html_"}


def run(code: str, where: str, names: dict[str, Any]) -> Any:
    """Run a cell, and return the value of the expression that it ends in, if it does."""
    tree = ast.parse(code)
    shown = [tree.body.pop()] if isinstance(tree.body[-1], ast.Expr) else []
    exec(compile(tree, where, "exec"), names)
    if not shown:
        return None
    return eval(compile(ast.Expression(shown[0].value), where, "eval"), names)


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_notebook_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("spark")  # whose session the notebook then gets
    monkeypatch.chdir(path.parent)
    names: dict[str, Any] = {"__name__": path.stem}
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        value = run("".join(cell["source"]), f"{path.name}, {cell['id']}", names)
        stored = {kind for output in cell["outputs"] for kind in output.get("data", {})}
        for kind in stored & SHOWN_BY.keys():
            assert getattr(value, SHOWN_BY[kind])(), f"{cell['id']} shows no {kind}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_notebook_is_stored_as_it_ran(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    kinds = {output["output_type"] for cell in code for output in cell["outputs"]}
    assert "error" not in kinds
