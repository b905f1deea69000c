"""Load a pipeline, use it, and save it again, with the Spark that the path finds."""

from __future__ import annotations

import sys

import pyspark
from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession

if __name__ == "__main__":
    source, target = sys.argv[1:]
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "1g")
        .getOrCreate()
    )
    pipeline = PipelineModel.load(source)
    frame = spark.createDataFrame([(1.0, 2.0, 3.0)], "a double, b double, c double")
    print(pyspark.__version__[:3], list(pipeline.transform(frame).collect()[0]["y"]))
    pipeline.save(target)
    spark.stop()
