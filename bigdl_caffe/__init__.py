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
    from bigdl_caffe.layers.registry import Layer, register
    from bigdl_caffe.model import Model

_HOMES = {
    "Model": "model",
    "Layer": "layers.registry",
    "register": "layers.registry",
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
    "CaffeError",
    "CaffeFormatError",
    "ImageError",
    "Layer",
    "Model",
    "NetError",
    "ParseError",
    "ShapeError",
    "UnsupportedLayerError",
    "WeightMismatchError",
    "register",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bigdl_caffe' has no attribute '{name}'")
    return getattr(importlib.import_module(f"bigdl_caffe.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
