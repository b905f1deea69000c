"""What the tests of the JVM's side share."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession

from bigdl_caffe.jvm import serve


@pytest.fixture(scope="session")
def jvm(spark: SparkSession) -> Any:
    """Java's names, whose calls this process answers."""
    serve(spark)
    return spark._jvm
