"""Pythons that lack something, and ones that can be packed and sent."""

from __future__ import annotations

import shutil
import sysconfig
import tarfile
import venv
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from tests.paths import REPO

NEEDED = {
    *("numpy", "numpy.libs", "pandas", "pyarrow", "google", "PIL", "pillow.libs", "torch"),
    *("torchgen", "functorch", "typing_extensions.py", "dateutil", "pytz", "tzdata", "six.py"),
}
"""What an executor imports besides this package and Spark's own, as it lies in site-packages."""

_NOT_TO_RUN = ("test", "tests", "include", "__pycache__")
_SITE = Path(sysconfig.get_path("purelib"))


def linked(folder: Path, without: Collection[str]) -> Path:
    """Make a Python with the packages of this one but those named; return its program."""
    python = _make(folder, lambda name: not name.startswith(tuple(without)), Path.symlink_to)
    if "bigdl_caffe" not in without:
        _put_ours(python, Path.symlink_to)
    return python


def packed(folder: Path) -> Path:
    """Make a tar file of a Python that holds all that an executor needs; return its path."""
    python = _make(folder / "environment", NEEDED.__contains__, _copy_from)
    _put_ours(python, _copy_from)
    archive = folder / "environment.tar.gz"  # Spark unpacks a plain .tar without its permissions
    with tarfile.open(archive, "w:gz", compresslevel=0) as file:
        file.add(python.parent.parent, ".")
    shutil.rmtree(python.parent.parent)
    return archive


def _make(folder: Path, wanted: Callable[[str], bool], put: Callable[[Path, Path], Any]) -> Path:
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    for entry in _SITE.iterdir():
        if wanted(entry.name) and entry.suffix != ".pth" and entry.name != "bigdl_caffe":
            put(_site(python) / entry.name, entry)
    return python


def _put_ours(python: Path, put: Callable[[Path, Path], Any]) -> None:
    put(_site(python) / "bigdl_caffe", REPO / "bigdl_caffe")


def _site(python: Path) -> Path:
    (site,) = python.parent.parent.glob("lib/python3*/site-packages")
    return site


def _copy_from(target: Path, source: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_NOT_TO_RUN))
    else:
        shutil.copy(source, target)
