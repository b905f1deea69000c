"""A small net to train, and rows for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe import Model

NET = """
name: "blobs"
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 10 dim: 4 } shape { dim: 10 } } }
layer { name: "hidden" type: "InnerProduct" bottom: "data" top: "hidden"
  inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "tanh" type: "TanH" bottom: "hidden" top: "hidden" }
layer { name: "scores" type: "InnerProduct" bottom: "hidden" top: "scores"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" }
"""


def trainable(folder: Path, text: str = NET) -> Model:
    """Return the net in its TRAIN phase: four numbers a row, three classes, ten rows a batch."""
    path = folder / "blobs.prototxt"
    path.write_text(text)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)  # which the weights are drawn by
        return Model.load_caffe_model(path, None, phase="TRAIN")


def rows(spark: SparkSession, count: int = 103) -> DataFrame:
    """Return rows whose class can be told from their numbers."""
    rng = np.random.default_rng(3)
    label = rng.integers(0, 3, count)
    centres = rng.normal(0, 2, (3, 4))
    values = centres[label] + rng.normal(0, 1, (count, 4))
    told = [
        (v, float(c), i % 4 == 0)
        for i, (v, c) in enumerate(zip(values.tolist(), label, strict=True))
    ]
    return spark.createDataFrame(told, "features array<double>, label double, held boolean")
