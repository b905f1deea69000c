"""Rows to score: made ones, written to Parquet, and the Spark sessions that read them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DIFFERENT = 16
"""Pictures that rows repeat."""


def session(master: str, memory: str = "2g", **conf: str) -> SparkSession:
    """Return a new session without user interface; names in ``conf`` have "_" for "."."""
    from pyspark.sql import SparkSession

    from bigdl_caffe.spark.java import ensure_java

    ensure_java()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(master).config("spark.ui.enabled", "false")
    given = {name.replace("_", "."): value for name, value in conf.items()}
    given["spark.ui.showConsoleProgress"] = "false"
    given["spark.driver.memory"] = given["spark.executor.memory"] = memory
    for name, value in given.items():
        builder = builder.config(name, value)
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    return made


def tensors(shape: tuple[int, ...]) -> list[bytes]:
    """Return rows of random float32 numbers, as bytes."""
    random = np.random.default_rng(3)
    return [random.standard_normal(shape, dtype=np.float32).tobytes() for _ in range(DIFFERENT)]


def pictures(side: int) -> list[bytes]:
    """Return JPEG files."""
    from benchmarks.scoring import jpegs

    return jpegs(side)[:DIFFERENT]


def write(folder: Path, contents: list[bytes], rows: int, files: int) -> Path:
    """Write ``rows`` rows in ``files`` Parquet files, which Spark reads as as many partitions."""
    folder.mkdir(parents=True)
    for number in range(files):
        own = range(number, rows, files)
        column = pa.array([contents[i % len(contents)] for i in own], pa.binary())
        table = pa.table({"id": pa.array(own, pa.int64()), "content": column})
        pq.write_table(table, folder / f"{number}.parquet", compression="none", row_group_size=64)
    return folder


def read(spark: SparkSession, folder: Path | str) -> object:
    """Return the DataFrame: a partition for each file."""
    return spark.read.parquet(str(folder))


ONE_FILE_A_PARTITION = {
    "spark_sql_files_maxPartitionBytes": "8g",
    "spark_sql_files_openCostInBytes": "8g",
}
