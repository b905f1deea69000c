"""Fixtures of the tests that run Spark programs in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.spark.cluster import environments
from tests.spark.cluster.launch import Spark
from tests.spark.cluster.standalone import standalone


@pytest.fixture(scope="session")
def cluster_spark(tmp_path_factory: pytest.TempPathFactory) -> Spark:
    """Return the Spark that programs are submitted with."""
    return Spark.make(tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="session")
def master(cluster_spark: Spark, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the master's URL of a standalone cluster with two workers."""
    with standalone(cluster_spark, tmp_path_factory.mktemp("standalone")) as url:
        yield url


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that has all but this package."""
    return environments.linked(tmp_path_factory.mktemp("bare"), ["bigdl_caffe"])
