"""Train on four ranks of a cluster: once in peace, then with trouble on rank 1.

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


class Stumbles(nn.Module):
    """Passes its bottom on, and does what ``trouble`` says to rank 1 in its 13th pass."""

    def __init__(self, trouble: str, mark: str) -> None:
        super().__init__()
        self.trouble, self.mark, self.passes = trouble, Path(mark), 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        if self.passes == 13 and distributed.get_rank() == 1 and not self.mark.exists():
            self.mark.touch()
            if self.trouble == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.trouble == "executor":
                os.kill(os.getppid(), signal.SIGKILL)
            if self.trouble == "hang":
                time.sleep(3600)
            if self.trouble == "raise":
                raise ValueError("something is wrong")
            return x * float("nan")
        return x * 1.0


def net(folder: Path, trouble: str) -> Model:
    """Return the net with a layer that makes ``trouble``."""
    mark = str(folder / f"{trouble}.mark")
    trouble = trouble.partition("+")[0]

    class Trouble(Layer):
        def infer(self, bottoms: Any) -> Any:
            return [bottoms[0]]

        def module(self, bottoms: Any) -> nn.Module:
            return Stumbles(trouble, mark)

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
    weights = calm.get_weights()
    for trouble in sys.argv[2:]:
        retries = int(trouble.partition("+")[2] or 0)
        model = net(folder, trouble)
        model.set_weights(weights)
        checkpoints = {"checkpointDir": str(folder / trouble), "checkpointEvery": 5}
        found[trouble] = told(
            spark,
            model,
            data,
            idle,
            folder / f"{trouble}.mark",
            numWorkers=RANKS,
            timeout=10.0 if trouble == "hang" else 100.0,
            maxRetries=retries,
            **(checkpoints if retries else {}),
            **how,
        )
    print(json.dumps(found))
    spark.stop()


if __name__ == "__main__":
    main()
