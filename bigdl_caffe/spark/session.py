"""The Spark session of a command, and Spark's errors in plain words."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.java import ensure_java

_OURS = re.compile(
    r"^(?:bigdl_caffe\.errors\.\w+|RuntimeError: bigdl_caffe): (.+?)(?=\n\s*\n|\n\tat |\Z)",
    re.M | re.S,
)
_TWO_PYTHONS = re.compile(
    r"Python in worker has different version:? (.+?) than .+? driver:? (.+?),"
)
_PYTHON = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n)*(\S.*)")
_JAVA = re.compile(r"^(?:Caused by)?: (?:[\w$]+\.)+([\w$]+: .+)$", re.M)
_STATE = re.compile(r"\s*SQLSTATE: \w+$")


@contextmanager
def command_session(name: str, master: str | None, debug: bool = False) -> Iterator[SparkSession]:
    """Give spark-submit's session, or else a new one, which ends with the context.

    Parameters
    ----------
    name : str
        For Spark's own lists of applications.
    master : str, optional
        By default spark-submit's, or ``local[*]``.
    debug : bool
        Leave Spark's log on. A session of spark-submit keeps its log as it is.

    Raises
    ------
    CaffeError
        The environment asks for Spark Connect.
    """
    if "SPARK_REMOTE" in os.environ:
        raise CaffeError(
            "SPARK_REMOTE asks for Spark Connect, where commands cannot put their output in place "
            "whole or not at all: unset it, or call Model.predict in a program"
        )
    builder = SparkSession.builder.appName(name).config("spark.ui.showConsoleProgress", "false")
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if not submitted:
        ensure_java()
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        master = master or "local[*]"
    session = (builder.master(master) if master else builder).getOrCreate()
    if not (submitted or debug):
        session.sparkContext.setLogLevel("OFF")  # what fails is raised, and told once
    try:
        yield session
    finally:
        session.stop()


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn Spark's errors into a `CaffeError` of their own first words, or of ours inside."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        told = plain_words(str(error))
        more = " (--debug shows all of it)" if told.startswith("Spark: ") else ""
        raise CaffeError(told + more) from error


def plain_words(text: str) -> str:
    """Return what an error of Spark's says at the root of its causes, without traces."""
    if ours := _OURS.search(text):
        return ours[1].strip()
    if "[JAVA_GATEWAY_EXITED]" in text:
        return "Spark did not start: what Java wrote above says why"
    if two := _TWO_PYTHONS.search(text):
        return (
            f"the executors run Python {two[1]} and the driver {two[2]}, and Spark needs one "
            "release everywhere: set PYSPARK_PYTHON to it, or send it by --archives"
        )
    told = _PYTHON.findall(text) or _JAVA.findall(text) or text.strip().splitlines()[:1] or [""]
    return f"Spark: {_STATE.sub('', told[-1].strip())}"
