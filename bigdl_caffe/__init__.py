"""Caffe models on Apache Spark: load, score, train and save them, with Caffe's numbers.

Names are imported when first used, so that ``import bigdl_caffe`` costs nothing and a
Spark driver that only plans a job does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigdl_caffe.errors import (
        CaffeError,
        CaffeFormatError,
        ImageError,
        NetError,
        ParseError,
        ShapeError,
        UnsupportedLayerError,
        WeightMismatchError,
    )
    from bigdl_caffe.format._pb.caffe_pb2 import FillerParameter
    from bigdl_caffe.layers.arity import at_least, between, exactly
    from bigdl_caffe.layers.registry import BlobSpec, Layer, Role, register
    from bigdl_caffe.model import Model

__version__ = "0.1.0"

_HOMES = {
    "Model": "model",
    "FillerParameter": "format._pb.caffe_pb2",
    **dict.fromkeys(("BlobSpec", "Layer", "Role", "register"), "layers.registry"),
    **dict.fromkeys(("at_least", "between", "exactly"), "layers.arity"),
    **dict.fromkeys(
        (
            "CaffeError",
            "CaffeFormatError",
            "ImageError",
            "NetError",
            "ParseError",
            "ShapeError",
            "UnsupportedLayerError",
            "WeightMismatchError",
        ),
        "errors",
    ),
}

__all__ = [
    "BlobSpec",
    "CaffeError",
    "CaffeFormatError",
    "FillerParameter",
    "ImageError",
    "Layer",
    "Model",
    "NetError",
    "ParseError",
    "Role",
    "ShapeError",
    "UnsupportedLayerError",
    "WeightMismatchError",
    "at_least",
    "between",
    "exactly",
    "register",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bigdl_caffe' has no attribute '{name}'")
    return getattr(importlib.import_module(f"bigdl_caffe.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
