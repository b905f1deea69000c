"""Run Spark programs in processes of their own, as people do: by spark-submit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark

from bigdl_caffe.spark.java import ensure_java
from tests.paths import REPO

HERE = Path(pyspark.__file__).parent
"""The Spark of the pyspark that is imported here."""
PROGRAMS = Path(__file__).parent / "programs"
NET = [str(REPO / "examples" / "digits" / f"lenet.{end}") for end in ("prototxt", "caffemodel")]
_SECONDS = 300
_OTHERS = ("SPARK_", "PYSPARK_", "PYTHON", "COV_")
_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": "4",
    "spark.log.level": "WARN",
}


@dataclass(frozen=True)
class Spark:
    """A Spark whose files go under ``home``, and the environment that its programs run in."""

    home: Path
    env: dict[str, str]

    @classmethod
    def make(cls, folder: Path, source: Path = HERE) -> Spark:
        """Link the pyspark in ``source``: executors leave files in their SPARK_HOME."""
        home = folder / "spark"
        home.mkdir()
        for part in source.iterdir():
            if part.name != "work":
                (home / part.name).symlink_to(part)
        java = ensure_java()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_OTHERS)}
        own = {"SPARK_HOME": str(home), "SPARK_LOCAL_DIRS": str(folder / "local")}
        fixed = {"JAVA_HOME": java, "SPARK_LOCAL_IP": "127.0.0.1", "OMP_NUM_THREADS": "1"}
        return cls(home, kept | own | fixed)

    def submit(
        self,
        master: str,
        program: str | Path,
        *arguments: object,
        conf: Mapping[str, object] | None = None,
        options: Sequence[object] = (),
        python: str | Path = sys.executable,
        installed: bool = True,
    ) -> Done:
        """Run a program to its end, and end all it started if that takes too long.

        The executors run ``python``, and have this package if it is ``installed``.
        """
        pythons = {"spark.pyspark.python": python, "spark.pyspark.driver.python": sys.executable}
        path = {"PYTHONPATH": str(REPO)}
        there = {f"spark.executorEnv.{k}": v for k, v in path.items() if installed}
        settings = {**pythons, **there, **(conf or {})}
        command = [*self.command("spark-submit", master, settings), *map(str, options)]
        command += [str(program), *map(str, arguments)]
        return run(command, self.env | (path if installed else {}), self.home.parent)

    def shell(self, typed: str, folder: Path, *options: str | Path) -> Done:
        """Type into spark-shell, which stands in ``folder``."""
        path = {"PYTHONPATH": str(REPO)}
        settings = {"spark.pyspark.python": sys.executable, "spark.executorEnv.PYTHONPATH": REPO}
        command = [*self.command("spark-shell", "local[2]", settings), *options]
        return run(command, self.env | path, folder, typed)

    def command(self, name: str, master: str, conf: Mapping[str, object]) -> list[str | Path]:
        """Return how a program of Spark's own begins."""
        settings = [f"{name}={value}" for name, value in {**_SETTINGS, **conf}.items()]
        given = [word for setting in settings for word in ("--conf", setting)]
        return [self.home / "bin" / name, "--master", master, *given]


@dataclass(frozen=True)
class Done:
    """What came of a program."""

    status: int
    out: str
    err: str

    def told(self) -> Any:
        """Return what the program printed last, as JSON, if it ended well."""
        assert self.status == 0, self.out[-3000:] + self.err[-6000:]
        return json.loads(self.out.strip().splitlines()[-1])


def run(
    command: Sequence[str | Path], env: Mapping[str, str], folder: Path, typed: str | None = None
) -> Done:
    """Run ``command`` in a group of processes of its own, none of which outlives it."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        text=True,
        stdin=None if typed is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(typed, timeout=_SECONDS)
    finally:
        end_group(process)
    return Done(process.returncode, out, err)


def end_group(process: subprocess.Popen[Any]) -> None:
    """Kill what is left of a group of processes, if anything is."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
