"""The jobs of examples/jvm run by spark-submit, here and on executors of their own.

``JVM_MATRIX=all`` runs each on every master and every Spark; without it, each runs once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bigdl_caffe.jvm import jar_path
from tests.jvm.programs import ALL, SPARKS, jar, java, needs, scala
from tests.nets import DIGITS
from tests.paths import REPO
from tests.spark.cluster.launch import NET, Spark

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SOURCES = REPO / "examples" / "jvm"
DATA = [DIGITS / "images", DIGITS / "labels.txt"]
ARGUMENTS = {
    "Score.scala": [*NET, *DATA],
    "Score.java": [*NET, *DATA],
    "Train.scala": [DIGITS / "lenet_train_val.prototxt", *DATA, DIGITS / "classes.txt"],
}
"""Of each program, but the last, which is the folder that it writes."""
LOCAL, CLUSTER = "local[2]", "local-cluster[2,1,2048]"
ONCE = [
    ("Score.scala", CLUSTER, "here"),
    ("Score.java", LOCAL, "3.5"),
    ("Train.scala", LOCAL, "3.5"),  # whose own timer would keep the JVM alive
]


def matrix() -> Iterator[Any]:
    """Yield what is run: program, master, Spark."""
    every = list(itertools.product(ARGUMENTS, [LOCAL, CLUSTER], SPARKS))
    for run in every if ALL else ONCE:
        yield pytest.param(*run, id=", ".join(run), marks=needs(run[-1]))


class Compiled:
    """Compiles each language once for each Spark."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sparks: dict[str, Spark] = {}
        self._jars: dict[tuple[str, str], Path] = {}

    def spark(self, name: str) -> Spark:
        if name not in self._sparks:
            (folder := self._folder / name).mkdir()
            self._sparks[name] = Spark.make(folder, SPARKS[name])
        return self._sparks[name]

    def jar(self, spark: str, language: str) -> Path:
        if (spark, language) not in self._jars:
            (classes := self._folder / spark / language).mkdir()
            compiler = {"scala": scala, "java": java}[language]
            compiler(self.spark(spark), classes, *SOURCES.glob(f"*.{language}"))
            self._jars[spark, language] = jar(classes)
        return self._jars[spark, language]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return Compiled(tmp_path_factory.mktemp("compiled"))


@pytest.mark.parametrize(("program", "master", "spark"), list(matrix()))
def test_it_runs(program: str, master: str, spark: str, compiled: Compiled, tmp_path: Path) -> None:
    name, language = program.split(".")
    done = compiled.spark(spark).submit(
        master,
        compiled.jar(spark, language),
        *(*ARGUMENTS[program], tmp_path / "out"),
        options=["--class", name, "--jars", jar_path()],
    )
    assert done.status == 0, done.err[-6000:]
    CHECKS[name](done.out, tmp_path / "out")


def check_scores(told: str, output: Path) -> None:
    assert told == "299 of 300 are right, 0 could not be scored\n"
    table = pq.read_table(output)
    assert {"name", "prediction", "error"} <= set(table.column_names)
    assert table.num_rows == 300


def check_training(told: str, output: Path) -> None:
    found = re.search(r"^(\d+) of (\d+) are right$", told, re.MULTILINE)
    assert found, told
    right, rows = map(int, found.groups())
    assert right / rows > 0.8
    stages = {path.name.split("_")[1] for path in (output / "stages").iterdir()}
    assert stages == {"CaffeModel", "idxToStr"}


CHECKS = {"Score": check_scores, "Train": check_training}


def test_the_readme_names_each() -> None:
    readme = (SOURCES / "README.md").read_text(encoding="utf-8")
    programs = {path.name for path in SOURCES.iterdir()} - {"README.md"}
    assert programs == set(ARGUMENTS)
    assert all(f"[`{program}`]({program})" in readme for program in programs)
