"""The processes of a Spark application on this host, as Linux shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def executors(application: str) -> list[int]:
    """Return the executors' Java processes."""
    wanted = {"org.apache.spark.executor.CoarseGrainedExecutorBackend", application}
    return [pid for pid, words, _ in _processes() if wanted <= set(words)]


def workers(application: str) -> list[int]:
    """Return the executors' Python workers: what their daemons forked."""
    daemons = _children(executors(application))
    return _children(daemons)


def _children(parents: list[int]) -> list[int]:
    return [pid for pid, _, parent in _processes() if parent in parents]


def _processes() -> Iterator[tuple[int, list[str], int]]:
    """Yield each process, its command line, and its parent."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text(errors="replace").split("\0")
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended meanwhile
            continue
        yield int(folder.name), words, int(after_name[1])
