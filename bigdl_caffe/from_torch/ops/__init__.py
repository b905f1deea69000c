"""ATen operations in Caffe's layers. Importing the package fills its table."""

from __future__ import annotations

from bigdl_caffe.from_torch.ops import (
    activation,
    arithmetic,
    convolution,
    dense,
    joining,
    normalization,
    pooling,
    recurrent,
    reduction,
    resampling,
    shaping,
)
from bigdl_caffe.from_torch.ops.table import OPS

__all__ = [
    "OPS",
    "activation",
    "arithmetic",
    "convolution",
    "dense",
    "joining",
    "normalization",
    "pooling",
    "recurrent",
    "reduction",
    "resampling",
    "shaping",
]
