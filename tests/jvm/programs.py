"""Programs in Scala and Java: how they are compiled, and for which Sparks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bigdl_caffe.jvm import jar_path
from tests.paths import REPO
from tests.spark.cluster.launch import HERE, Spark

OLD = REPO / "out" / "spark-3.5" / "pyspark"
SPARKS = {"here": HERE, "3.5": OLD}
"""By name, where a Spark is."""
ALL = os.environ.get("JVM_MATRIX") == "all"
"""Whether programs run on every master and every Spark, and not once each."""


def needs(spark: str) -> list[Any]:
    """Return the marks of a test that runs on this Spark."""
    reason = f"Spark {spark} is not here: `make smoke` and `make jar` take 3.5 from PyPI"
    return [pytest.mark.skipif(not SPARKS[spark].is_dir(), reason=reason)]


def scala(spark: Spark, folder: Path, *sources: Path) -> None:
    """Compile by the Scala that this Spark's shell has, which any Java runs."""
    java = Path(spark.env["JAVA_HOME"]) / "bin" / "java"
    command = [java, "-cp", _jars(spark), "scala.tools.nsc.Main", "-classpath", classpath(spark)]
    _compile([*command, "-deprecation", "-feature", "-d", folder, *sources], spark)


def java(spark: Spark, folder: Path, *sources: Path) -> None:
    """Compile by javac, if there is one."""
    javac = shutil.which("javac")
    if not javac:
        pytest.skip("there is no javac here")
    # Spark's jars name others that are not there (path), and annotations (classfile).
    lint = ["-Xlint:all,-path,-classfile", "-Werror", "-proc:none"]
    _compile([javac, *lint, "-cp", classpath(spark), "-d", folder, *sources], spark)


def jar(classes: Path) -> Path:
    """Pack a folder of classes; return the jar, which lies beside it."""
    archive = shutil.make_archive(str(classes), "zip", classes)
    return Path(archive).rename(f"{classes}.jar")


def _compile(command: list[Any], spark: Spark) -> None:
    done = subprocess.run(command, env=spark.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def classpath(spark: Spark) -> str:
    """Return the class path of what is compiled here, and of what runs without spark-submit."""
    return os.pathsep.join([_jars(spark), jar_path()])


def _jars(spark: Spark) -> str:
    return str(spark.home / "jars" / "*")
