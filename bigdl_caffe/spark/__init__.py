"""Caffe models on Spark: thin shells over pure functions on Arrow batches.

Names are imported when first used: a worker that only scores does not import Spark ML.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigdl_caffe.spark.estimator import CaffeEstimator
    from bigdl_caffe.spark.metrics import Metrics
    from bigdl_caffe.spark.transformer import CaffeModel
    from bigdl_caffe.spark.udf import register_udf

_HOMES = {
    "CaffeEstimator": "estimator",
    "CaffeModel": "transformer",
    "Metrics": "metrics",
    "register_udf": "udf",
}

__all__ = ["CaffeEstimator", "CaffeModel", "Metrics", "register_udf"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bigdl_caffe.spark' has no attribute '{name}'")
    return getattr(importlib.import_module(f"bigdl_caffe.spark.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
