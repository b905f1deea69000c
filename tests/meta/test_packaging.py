"""What people install: an sdist, and a wheel built from it without protoc."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.paths import REPO

pytestmark = pytest.mark.slow

LEFT_OUT = [".*", "out", "build", "dist", "golden", "*.egg-info", "__pycache__"]


def build(folder: Path, command: str, path: str) -> Path:
    """Run ``setup.py command`` in ``folder``, with ``path`` as PATH; return what it made."""
    arguments = [sys.executable, "setup.py", "-q", command, "--dist-dir", "made"]
    env = os.environ | {"PATH": path}
    subprocess.run(arguments, cwd=folder, env=env, check=True, capture_output=True)
    (made,) = (folder / "made").iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an sdist of a copy of the repository, so that nothing is left in it."""
    copy = tmp_path_factory.mktemp("sdist") / "repository"
    shutil.copytree(REPO, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return build(copy, "sdist", os.environ["PATH"])


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel of the sdist where no protoc can be found."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)  # ours, made a moment ago
    (source,) = folder.iterdir()
    return build(source, "bdist_wheel", "/no-programs-here")


def members(sdist: Path) -> set[str]:
    """Return the sdist's files, below its one top folder."""
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE",
        "README.md",
        "Makefile",
        "pyproject.toml",
        "proto/caffe.proto",
        "proto/PROVENANCE.md",
        "bigdl_caffe/py.typed",
        "bigdl_caffe/format/_pb/caffe_pb2.py",
        "bigdl_caffe/format/_pb/caffe_pb2.pyi",
        "bigdl_caffe/jvm/bigdl-caffe.jar",
        "jvm_bridge/build.py",
        "examples/digits/lenet.caffemodel",
    ],
)
def test_sdist_has(sdist: Path, name: str) -> None:
    assert name in members(sdist)


def test_wheel_has_every_module_and_nothing_else(wheel: Path) -> None:
    package = REPO / "bigdl_caffe"
    ours = {p for kind in ("*.py", "*.pyi", "*.jar", "py.typed") for p in package.rglob(kind)}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == {str(p.relative_to(REPO)) for p in ours}


def test_wheel_imports_by_itself(wheel: Path, tmp_path: Path) -> None:
    """Python reads the wheel as it is: the compiled schema is in it and complete."""
    code = (
        "from bigdl_caffe.format._pb import caffe_pb2 as pb; print(pb.__file__, pb.NetParameter())"
    )
    env = os.environ | {"PYTHONPATH": str(wheel)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, check=True, capture_output=True
    )
    assert done.stdout.decode().startswith(str(wheel))
