"""The jar: that it is what its sources say, and where it is found."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import bigdl_caffe
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.jvm import jar, jar_path
from jvm_bridge import build
from tests.paths import REPO

ALLOWED = (
    "bigdl_caffe/",
    "java/",
    "org/apache/hadoop/fs/",
    "org/apache/spark/",
    "scala/",
    "py4j/",
    "com/fasterxml/jackson/",
)
JAVA_8 = 52
UTF8, CLASS = 1, 7
SIZES = {3: 4, 4: 4, 5: 8, 6: 8, CLASS: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 18: 4}
"""The bytes of an entry of a class file's constant pool, by its tag; a text says its own."""


def table(text: bytes, between: str) -> dict[str, str]:
    return dict(line.split(between) for line in text.decode().splitlines())


def entries(jar: bytes | str) -> dict[str, bytes]:
    with zipfile.ZipFile(jar) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def ours() -> dict[str, bytes]:
    """Return the files in the jar."""
    return entries(jar_path())


def classes_named(code: bytes) -> Iterator[str]:
    """Yield the classes that a class file names in its constant pool."""
    (count,) = struct.unpack_from(">H", code, 8)
    texts, named = {}, []
    index, place = 1, 10
    while index < count:
        tag = code[place]
        (number,) = struct.unpack_from(">H", code, place + 1)
        if tag == UTF8:
            texts[index] = code[place + 3 : place + 3 + number]
        elif tag == CLASS:
            named.append(number)
        place += 3 + number if tag == UTF8 else 1 + SIZES[tag]
        index += 2 if tag in (5, 6) else 1  # long and double take two
    yield from (texts[number].decode().lstrip("[").removeprefix("L") for number in named)


def test_it_was_built_from_these_sources_and_for_this_release(ours: dict[str, bytes]) -> None:
    told = table(ours[build.PROPERTIES], "=")
    remedy = "build the jar again, with `make jar`, and commit it"
    assert told == {"version": bigdl_caffe.__version__, "sources": build.digest_of_sources()}, (
        remedy
    )
    assert table(ours[build.MANIFEST], ": ")["Implementation-Version"] == bigdl_caffe.__version__


def test_every_class_runs_on_java_8_and_needs_what_spark_brings(ours: dict[str, bytes]) -> None:
    code = {name: contents for name, contents in ours.items() if name.endswith(".class")}
    assert code
    assert {struct.unpack_from(">H", contents, 6)[0] for contents in code.values()} == {JAVA_8}
    foreign = {
        (name, other)
        for name, contents in code.items()
        for other in classes_named(contents)
        if len(other) > 1 and not other.startswith(ALLOWED)  # one letter: an array of numbers
    }
    assert not foreign


def test_building_it_again_gives_the_same_bytes(ours: dict[str, bytes]) -> None:
    if not shutil.which("javac"):
        pytest.skip("there is no javac here")
    if not build.SPARK.is_dir():
        pytest.skip("Spark 3.5 is not here: `make smoke` and `make jar` take it from PyPI")
    here = build.release_of(build.find_javac())
    committed = table(ours[build.MANIFEST], ": ")["Build-Jdk-Spec"]
    if here != committed:
        pytest.skip(f"the jar was built by JDK {committed}, and this is {here}")
    assert build.build() == Path(jar_path()).read_bytes()


def test_what_building_lacks_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build, "SPARK", tmp_path)
    with pytest.raises(SystemExit, match=r"no Scala 2\.12 in .*make jar"):
        build.scala_jars()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SystemExit, match="javac was not found: install a JDK"):
        build.find_javac()


def test_a_package_in_a_zip_unpacks_it_once(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        for path in (REPO / "bigdl_caffe").rglob("*"):
            if path.is_file() and path.parent.name in ("bigdl_caffe", "jvm", "format", "cli"):
                archive.write(path, path.relative_to(REPO))
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}/package.zip", "XDG_CACHE_HOME": str(tmp_path)}
    program = [sys.executable, "-m", "bigdl_caffe", "jar"]
    runs = [
        subprocess.run(program, cwd=tmp_path, env=env, check=True, capture_output=True, text=True)
        for _ in range(2)
    ]
    first, second = (Path(run.stdout.removesuffix("\n")) for run in runs)
    assert first == second
    assert first.is_relative_to(tmp_path / "bigdl-caffe")
    assert first.read_bytes() == Path(jar_path()).read_bytes()
    assert [path for path in (tmp_path / "bigdl-caffe").rglob("*") if path.is_file()] == [first]


def test_a_jar_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jar, "NAME", "none.jar")
    with pytest.raises(CaffeError, match=r"none\.jar is missing: .*make jar"):
        jar_path()
