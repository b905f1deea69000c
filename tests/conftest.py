"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from bigdl_caffe import Model
from bigdl_caffe.jvm import jar_path
from bigdl_caffe.spark.java import ensure_java
from tests.layers.golden import Case
from tests.nets import digits
from tests.paths import REPO

ON_CONNECT = "SPARK_TESTING" in os.environ
"""Whether the session is one of Spark Connect, as tests/spark/connect runs these tests.

Spark then gives the local server a free port instead of its one usual one.
"""

# Programs that end soon lose more by Java's better code than they win: it takes long to make.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the slow files where processes share the tests: quick ones fill the end evenly."""
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def lenet() -> Model:
    """Return the example's LeNet; a test that changes its weights loads its own."""
    return digits()


@pytest.fixture
def rows(lenet: Model) -> np.ndarray:
    """Return seven random inputs for it."""
    (shape,) = lenet.inputs.values()
    return np.random.default_rng(0).random((7, *shape[1:]), np.float32)


def python_path() -> str:
    """Return the path by which a Python finds the tests, too."""
    return os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Return the one session that in-process Spark tests share: two cores, a small heap."""
    ensure_java()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    scratch = tmp_path_factory.mktemp("spark")
    builder = SparkSession.builder
    builder = (
        # On a classic session a task may fail three times.
        (builder.remote("local[2]") if ON_CONNECT else builder.master("local[2,4]"))
        .appName("bigdl-caffe tests")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.default.parallelism", "2")
        .config("spark.python.daemon.module", "tests.spark.daemon")
        .config("spark.executorEnv.PYTHONPATH", str(REPO))  # the daemon's, wherever a test stands
        .config("spark.jars", jar_path())
        .config("spark.local.dir", str(scratch))
        .config("spark.sql.warehouse.dir", str(scratch / "warehouse"))
    )
    with pytest.MonkeyPatch.context() as patch:  # whatever folder a test stands in by now
        patch.setenv("PYTHONPATH", python_path())
        session = builder.getOrCreate()
    if not ON_CONNECT:
        session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def spark_env() -> dict[str, str]:
    """Return the environment for a Spark program in a process of its own."""
    ensure_java()
    return {
        **os.environ,
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": python_path(),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(autouse=True)
def in_the_golden_cases_folder(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stand where Caffe stood: it looks from the working directory for files that a net names."""
    case = request.getfixturevalue("case") if "case" in request.fixturenames else None
    if isinstance(case, Case):
        monkeypatch.chdir(case.folder)
