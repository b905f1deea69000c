"""Score one row by workers of each Python named, and print what the errors say, as JSON.

pythons.py NET.prototxt NET.caffemodel PYTHON...

The first of them is tried again by a driver that says it is of an older release.
"""

from __future__ import annotations

import json
import sys

from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.spark.session import plain_errors


def error_of(model: Model, rows: DataFrame, python: str) -> str:
    rows.sparkSession.sparkContext.pythonExec = python
    try:
        with plain_errors():
            model.predict(rows).collect()
    except CaffeError as error:
        return str(error)
    return "none"


def main(prototxt: str, weights: str, *pythons: str) -> None:
    model = Model.load_caffe_model(prototxt, weights)
    spark = SparkSession.builder.getOrCreate()
    rows = spark.sql("SELECT array_repeat(0.5, 64) AS x")
    errors = [error_of(model, rows, python) for python in pythons]
    spark.sparkContext.pythonVer = "3.9"  # what the driver says of itself to its workers
    print(json.dumps([*errors, error_of(model, rows, pythons[0])]))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
