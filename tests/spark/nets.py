"""Small nets and data that the Spark tests score."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bigdl_caffe import Model

SMALL = """
name: "small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv.1/a" type: "Convolution" bottom: "data" top: "conv.1/a"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "relu" type: "ReLU" bottom: "conv.1/a" top: "conv.1/a" }
layer { name: "ip" type: "InnerProduct" bottom: "conv.1/a" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
layer { name: "one" type: "InnerProduct" bottom: "ip" top: "one"
  inner_product_param { num_output: 1 weight_filler { type: "xavier" } } }
layer { name: "best" type: "Reshape" bottom: "one" top: "best" reshape_param { shape { dim: -1 } } }
"""


def small(folder: Path, text: str = SMALL) -> Model:
    """Return a net of 3×8×8 images and five classes; "best" has one number a row."""
    path = folder / "small.prototxt"
    path.write_text(text)
    return Model.load_caffe_model(path, None)


def picture(seed: int) -> npt.NDArray[np.uint8]:
    """Return 8×8 RGB pixels."""
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)


def png(seed: int) -> bytes:
    """Return `picture` as a file."""
    file = io.BytesIO()
    Image.fromarray(picture(seed)).save(file, "PNG")
    return file.getvalue()


def blobs(seeds: range) -> npt.NDArray[np.float32]:
    """Return what the pictures are as input: BGR planes."""
    return np.stack([picture(s)[:, :, ::-1].transpose(2, 0, 1) for s in seeds]).astype(np.float32)


def partitions(df: DataFrame) -> list[int]:
    """Return how many rows each partition has, without RDDs, which Spark Connect lacks."""
    counts = df.groupBy(F.spark_partition_id().alias("part")).count().orderBy("part").collect()
    return [row["count"] for row in counts]


def assert_close(found: npt.ArrayLike, expected: npt.NDArray[np.float32]) -> None:
    """Compare to 1e-5 of the blob's largest value: batches of other sizes round otherwise."""
    bound = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=bound)
