"""Score image files as they come: from the folder "in" of a folder to Parquet in "out"."""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql.streaming import StreamingQuery

from bigdl_caffe.spark import CaffeModel


def start(spark: SparkSession, folder: Path) -> StreamingQuery:
    """Start, or go on with, the query: two files a batch."""
    stage = CaffeModel.load(folder / "stage")
    files = (
        spark.readStream.format("binaryFile")
        .schema("path string, modificationTime timestamp, length long, content binary")
        .option("maxFilesPerTrigger", 2)
        .load(str(folder / "in"))
    )
    return (
        stage.transform(files)
        .drop("content")
        .writeStream.format("parquet")
        .option("path", str(folder / "out"))
        .option("checkpointLocation", str(folder / "checkpoint"))
        .start()
    )


if __name__ == "__main__":
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "1g")
        .getOrCreate()
    )
    start(session, Path(sys.argv[1])).awaitTermination()
