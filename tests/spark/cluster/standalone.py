"""A standalone cluster on loopback: one master and two workers, each a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.spark.cluster.launch import Spark, end_group

HOSTS = ("127.0.0.1", "127.0.0.2")
"""Of the workers. Spark runs the second copy of a slow task on another host only."""

_SECONDS = 60
_DEPLOY = "org.apache.spark.deploy"


@contextmanager
def standalone(spark: Spark, folder: Path) -> Iterator[str]:
    """Give the URL of a cluster's master; the cluster ends with the context."""
    port, page = free_port(), free_port()
    url = f"spark://127.0.0.1:{port}"
    master = ("--host", "127.0.0.1", "--port", port, "--webui-port", page)
    started: list[subprocess.Popen[Any]] = []
    try:
        started.append(_start(spark, folder, "master.Master", *master))
        _wait(page, 0)
        for host in HOSTS:
            work = ("--work-dir", folder / f"work-{host}", "--cores", 1, "--memory", "2g")
            given = ("--host", host, "--webui-port", 0, *work, url)
            started.append(_start(spark, folder, "worker.Worker", *given, local=host))
        _wait(page, len(HOSTS))
        yield url
    finally:
        for process in reversed(started):
            end_group(process)


def free_port() -> int:
    """Return a port of loopback that nothing listens at now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _start(
    spark: Spark, folder: Path, role: str, *options: object, local: str = "127.0.0.1"
) -> subprocess.Popen[Any]:
    command = [spark.home / "bin" / "spark-class", f"{_DEPLOY}.{role}", *map(str, options)]
    own = {"SPARK_LOCAL_IP": local, "SPARK_DAEMON_MEMORY": "512m"}
    with (folder / f"{role}-{local}.log").open("w") as log:
        return subprocess.Popen(
            command, env=spark.env | own, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )


def _wait(page: int, workers: int) -> None:
    """Wait until the master answers and has so many workers."""
    found: Any = "no answer"
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        time.sleep(0.2)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page}/json/", timeout=5) as answer:
                found = json.load(answer)["aliveworkers"]
        except OSError:
            continue
        if found == workers:
            return
    raise TimeoutError(f"the master has {found} workers after {_SECONDS} s, not {workers}")
