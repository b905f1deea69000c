"""Layer types of one's own on Spark's workers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from torch import Tensor, nn

from bigdl_caffe import Layer
from bigdl_caffe.layers.param_str import python_options
from tests.nets import net

pytestmark = pytest.mark.spark

TEXT = """input: "x" input_shape { dim: 1 dim: 3 }
layer { name: "own" type: "Times" bottom: "x" top: "y" times_param { k: 3 } }
layer { name: "python" type: "Python" bottom: "y" top: "z"
        python_param { module: "sums" layer: "Plus" param_str: "{'k': 10}" } }"""


def test_they_travel_with_the_model(spark: SparkSession, tmp_path: Path) -> None:
    class Scaled(nn.Module):
        def __init__(self, scale: float, shift: float) -> None:
            super().__init__()
            self.scale, self.shift = scale, shift

        def forward(self, x: Tensor) -> Tensor:
            return x * self.scale + self.shift

    class Times(Layer):
        def module(self, bottoms: object) -> nn.Module:
            return Scaled(self.spec.unknown["times_param"]["k"], 0)

    class Plus(Layer):
        def module(self, bottoms: object) -> nn.Module:
            return Scaled(1, python_options(self.spec, {"k": 1})["k"])

    model = net(tmp_path, TEXT, converters={"Times": Times, "sums.Plus": Plus})
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    frame = spark.createDataFrame(
        [(i, r.tolist()) for i, r in enumerate(rows)], "id int, x array<float>"
    )
    scored = model.predict(frame).orderBy("id").collect()
    np.testing.assert_array_equal([row["z"] for row in scored], 3 * rows + 10)
