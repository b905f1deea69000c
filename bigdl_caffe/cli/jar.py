"""``bigdl-caffe jar``."""

from __future__ import annotations

import argparse

from bigdl_caffe.cli.command import Command
from bigdl_caffe.jvm.jar import jar_path


def _arguments(command: argparse.ArgumentParser) -> None:
    """Add none."""


def _run(args: argparse.Namespace) -> int:
    print(jar_path())
    return 0


JAR = Command(
    "jar",
    "print the path of the jar for Scala and Java",
    """examples:
  bigdl-caffe jar
  spark-shell --jars "$(bigdl-caffe jar)"
  spark-submit --jars "$(bigdl-caffe jar)" --class com.example.Job job.jar

One jar is for Spark 3.5 and 4.x, Scala 2.12 and 2.13.
""",
    _arguments,
    _run,
)
