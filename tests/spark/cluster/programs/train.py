"""Train on four ranks of a cluster: first in peace, then with rank 1 killed in the middle.

The last line printed is JSON: what came of each training.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import processes
from pyspark.sql import DataFrame, SparkSession
from torch import Tensor, distributed, nn

from bigdl_caffe import Layer, Model
from bigdl_caffe.errors import TrainingError
from bigdl_caffe.spark import CaffeEstimator
from bigdl_caffe.train.events import Event, Started
from tests.spark.training import NET, rows, trainable

RANKS = 4
TROUBLE = """
layer { name: "trouble" type: "Trouble" bottom: "scores" top: "scores" }
layer { name: "loss\""""


class Fatal(nn.Module):
    """Passes its bottom on, and kills rank 1 in its 13th pass: once."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.mark, self.passes = Path(mark), 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        if self.passes == 13 and distributed.get_rank() == 1 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return x * 1.0


def net(folder: Path, mark: str) -> Model:
    """Return the net with a `Fatal` layer."""

    class Trouble(Layer):
        def infer(self, bottoms: Any) -> Any:
            return [bottoms[0]]

        def module(self, bottoms: Any) -> nn.Module:
            return Fatal(mark)

    path = folder / "trouble.prototxt"
    path.write_text(NET.replace('layer { name: "loss"', TROUBLE.lstrip()))
    return Model.load_caffe_model(path, None, phase="TRAIN", converters={"Trouble": Trouble})


def told(
    spark: SparkSession, model: Model, data: DataFrame, idle: set[int], mark: Path, **how: Any
) -> dict[str, Any]:
    """Train and return what came of it: of a failure, what it left and how soon it was told."""
    heard: list[Event] = []
    estimator = CaffeEstimator(model=model, observers=[heard.append], **how)
    found: dict[str, Any] = {}
    try:
        fitted = estimator.fit(data)
        found["losses"] = fitted.history.train.columns()["loss"]
        found["weights"] = np.concatenate([w.ravel() for w in fitted.model.get_weights()]).tolist()
    except TrainingError as error:
        found["error"] = str(error)
        found["seconds"] = time.time() - mark.stat().st_mtime
        time.sleep(6)  # Spark gives a task that it ends some seconds
        found["left"] = sorted({*processes.workers(spark.sparkContext.applicationId)} - idle)
    found["begun"] = [Path(each.resumed).name for each in heard if isinstance(each, Started)]
    found["files"] = [str(p) for p in Path(os.environ["SPARK_LOCAL_DIRS"]).rglob("rows-*")]
    return found


def main() -> None:
    spark = SparkSession.builder.getOrCreate()
    folder = Path(tempfile.mkdtemp(dir=sys.argv[1]))
    data = rows(spark).cache()
    data.count()
    idle = {*processes.workers(spark.sparkContext.applicationId)}  # they made the rows
    how = {"maxIter": 50, "learningRate": 0.1, "momentum": 0.9, "seed": 1}
    found = {}
    calm = trainable(folder)
    found["one"] = told(spark, calm, data, idle, folder, numWorkers=1, **how)
    found["four"] = told(spark, calm, data, idle, folder, numWorkers=RANKS, **how)
    for retries in (0, 1):
        mark = folder / f"killed-{retries}"
        model = net(folder, str(mark))
        model.set_weights(calm.get_weights())
        again = {"checkpointDir": str(folder / "states"), "checkpointEvery": 5, "maxRetries": 1}
        trouble = (again if retries else {}) | how
        found[f"{retries} retries"] = told(
            spark, model, data, idle, mark, numWorkers=RANKS, **trouble
        )
    print(json.dumps(found))
    spark.stop()


if __name__ == "__main__":
    main()
