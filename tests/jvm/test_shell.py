"""What docs/scala-and-java.md shows of spark-shell happens there; its Java compiles."""

from __future__ import annotations

import doctest
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bigdl_caffe.jvm import jar_path
from tests.jvm.programs import ALL, SPARKS, java, needs
from tests.meta.test_docs_code import blocks
from tests.nets import DIGITS
from tests.paths import REPO
from tests.spark.cluster.launch import Spark

PAGE = REPO / "docs" / "scala-and-java.md"
STEP = re.compile(r"^scala> (.*\n(?: {5}\| .*\n)*)((?:(?!scala> ).*\n)*)", re.MULTILINE)
SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
WRONG = re.compile(r"^[\w.]+Exception:|\berror:", re.MULTILINE)
JAVA = """
import bigdl_caffe.*;
import bigdl_caffe.Model;
import bigdl_caffe.Module;
import bigdl_caffe.spark.*;
import java.util.*;
import org.apache.spark.ml.*;
import org.apache.spark.sql.*;

final class Page {{
    static void shown(SparkSession spark) {{
        {}
    }}
}}
"""


def steps() -> Iterator[tuple[str, str]]:
    """Yield what the page types into the shell, and what it says comes of that."""
    for info, _, text in blocks(PAGE):
        if info == "scala shell":
            for typed, told in STEP.findall(text):
                yield re.sub(r"^ {5}\| ", "", typed, flags=re.MULTILINE), told


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize(
    "spark", [pytest.param(name, marks=needs(name)) for name in (SPARKS if ALL else ["here"])]
)
def test_the_transcript(spark: str, tmp_path: Path) -> None:
    shutil.copytree(DIGITS, tmp_path / "digits")
    shell = Spark.make(tmp_path, SPARKS[spark])
    typed = "".join(typed for typed, _ in steps())
    done = shell.shell(typed, tmp_path / "digits", "--jars", jar_path())
    _, *printed, _ = done.out.split("\nscala> ")
    runs = zip(steps(), printed, strict=True)
    other = [f"{typed}{found}" for (typed, told), found in runs if not as_told(told, found)]
    assert not other, "\n".join(other)


def as_told(told: str, found: str) -> bool:
    """Return whether the shell printed what the page says; an error has to be on the page."""
    # Scala 2.13 writes "val x: Int = 1", and 2.12 "x: Int = 1" after an echo of what is typed.
    plain = re.sub(r"^val ", "", found, flags=re.MULTILINE)
    same = doctest.OutputChecker().check_output(f"...{told.strip()}...", plain, SAME)
    return same and bool(WRONG.search(told)) == bool(WRONG.search(plain))


def test_the_java_compiles(tmp_path: Path) -> None:
    (shown,) = (text for info, _, text in blocks(PAGE) if info == "java")
    (tmp_path / "Page.java").write_text(JAVA.format(shown))
    java(Spark.make(tmp_path), tmp_path, tmp_path / "Page.java")
