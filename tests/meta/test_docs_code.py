"""The code in the documents runs, block after block, as it stands there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe import Model
from bigdl_caffe.layers import registry
from tests.nets import DIGITS
from tests.paths import REPO

BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\S+\.prototxt)\n")
FILES = {
    "deploy.prototxt": "lenet.prototxt",
    "net.caffemodel": "lenet.caffemodel",
    "lenet.prototxt": "lenet.prototxt",
    "lenet.caffemodel": "lenet.caffemodel",
    **{f"lenet_{name}.prototxt": f"lenet_{name}.prototxt" for name in ("solver", "train_val")},
    "train_val.prototxt": "lenet_train_val.prototxt",
    "labels.txt": "labels.txt",
    "images": "images",
}
"""What lies in the folder where the code runs → the example's file."""


def blocks(page: Path) -> Iterator[tuple[str, int, str]]:
    """Yield the language, the line and the text of each fenced block.

    Only what says "python" alone is run: "python old", say, is shown and not run.
    """
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        yield found["info"], text.count("\n", 0, found.start("text")), found["text"]


def pages() -> Iterator[Any]:
    """Yield each page with code, marked as one that starts Spark where it does."""
    for page in [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]:
        code = [text for info, _, text in blocks(page) if info == "python"]
        marks = [pytest.mark.spark] if any("spark" in text for text in code) else []
        if code:
            yield pytest.param(page, id=page.name, marks=marks)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with the files that the pages speak of."""
    for name, source in FILES.items():
        copy = shutil.copytree if (DIGITS / source).is_dir() else shutil.copy
        copy(DIGITS / source, tmp_path / name)
    Model.load_caffe_model(
        *(DIGITS / f"lenet.{end}" for end in ("prototxt", "caffemodel"))
    ).write_bundle(tmp_path / "lenet.arrow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_LAYERS", dict(registry._LAYERS))
    return tmp_path


def stand_in(spark: Any, folder: Path) -> None:
    """Have Java take relative paths from ``folder``: it stands where it was started."""
    hadoop = spark._jvm.org.apache.hadoop.fs
    system = hadoop.FileSystem.get(spark._jsc.hadoopConfiguration())
    system.setWorkingDirectory(hadoop.Path(folder.as_uri()))


@pytest.mark.parametrize("page", list(pages()))
def test_the_code_runs(page: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    names: dict[str, Any] = {"__name__": page.stem, "array": np.zeros((2, 1, 8, 8), np.float32)}
    if request.node.get_closest_marker("spark"):
        names["spark"] = spark = request.getfixturevalue("spark")
        stand_in(spark, folder)
    for info, line, text in blocks(page):
        named = NAMED.match(text)
        if named:
            (folder / named[1]).write_text(text, encoding="utf-8")
        if info == "python":
            # Lines before it, so that a traceback has the page's own.
            exec(compile("\n" * line + text, str(page), "exec"), names)
