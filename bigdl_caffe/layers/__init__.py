"""Layer types. Importing the package registers the built-in ones."""

from __future__ import annotations

from bigdl_caffe.layers import (
    activation,
    alias,
    convolution,
    dense,
    elementwise,
    fork_losses,
    indexing,
    inputs,
    losses,
    metrics,
    normalization,
    parameter,
    pooling,
    recurrent,
    reduction,
    shaping,
    softmax_losses,
    ssd,
    ssd_training,
)

__all__ = [
    "activation",
    "alias",
    "convolution",
    "dense",
    "elementwise",
    "fork_losses",
    "indexing",
    "inputs",
    "losses",
    "metrics",
    "normalization",
    "parameter",
    "pooling",
    "recurrent",
    "reduction",
    "shaping",
    "softmax_losses",
    "ssd",
    "ssd_training",
]
