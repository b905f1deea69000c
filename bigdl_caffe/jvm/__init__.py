"""The Python side of the Scala and Java API, and the jar that holds the other side.

Names are imported when first used: the path of the jar is told without pyspark and torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigdl_caffe.jvm.host import serve
    from bigdl_caffe.jvm.jar import jar_path

_HOMES = {"jar_path": "jar", "serve": "host"}

__all__ = ["jar_path", "serve"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bigdl_caffe.jvm' has no attribute '{name}'")
    return getattr(importlib.import_module(f"bigdl_caffe.jvm.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
