"""Show how far a Spark job is, on a terminal or in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from pyspark.sql import SparkSession

from bigdl_caffe.spark.metrics import Metrics, Tally

_WIDTH = 30
_TERMINAL_SECONDS, _LOG_SECONDS = 0.2, 5.0


@contextmanager
def progress(spark: SparkSession, metrics: Metrics, out: TextIO | None = None) -> Iterator[None]:
    """Show a bar on ``out`` (stderr), or a line every few seconds where that is no terminal."""
    done = threading.Event()
    watched = (spark, metrics, out or sys.stderr, done)
    watcher = threading.Thread(target=_watch, args=watched, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(spark: SparkSession, metrics: Metrics, out: TextIO, done: threading.Event) -> None:
    terminal = out.isatty()
    start, shown = time.monotonic(), ""
    while not done.wait(_TERMINAL_SECONDS if terminal else _LOG_SECONDS):
        line = progress_line(*_tasks(spark), metrics.total, time.monotonic() - start)
        if terminal:
            out.write("\r" + line.ljust(len(shown)))
        elif line != shown:
            out.write(line + "\n")
        out.flush()
        shown = line
    if terminal and shown:
        out.write("\r" + " " * len(shown) + "\r")


def _tasks(spark: SparkSession) -> tuple[int, int]:
    """Return how many tasks of the running stages are done, and how many there are."""
    tracker = spark.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    known = [stage for stage in stages if stage]
    return sum(s.numCompletedTasks for s in known), sum(s.numTasks for s in known)


def progress_line(done: int, tasks: int, total: Tally, seconds: float) -> str:
    """Return one line: a bar, tasks, rows and their rate, and how many failed."""
    filled = _WIDTH * done // tasks if tasks else 0
    rate = f", {total.rows / seconds:.0f}/s" if total.rows else ""
    bad = f", {total.failed} failed" if total.failed else ""
    bar = "#" * filled + "." * (_WIDTH - filled)
    return f"[{bar}] {done}/{tasks} tasks, {total.rows} rows{rate}{bad}"
