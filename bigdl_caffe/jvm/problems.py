"""Python's errors as the JVM's CaffeException has them."""

from __future__ import annotations

import traceback
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.session import plain_words


def problem(error: BaseException) -> dict[str, Any]:
    """Return what there is to tell of an error, as JSON can hold it."""
    message = _message(error)
    ours = error if isinstance(error, CaffeError) else CaffeError(message)
    offset = getattr(ours, "offset", None)
    return {
        "kind": type(error).__name__,
        "message": message,
        "problems": ours.problems,
        "layers": ours.layers,
        "file": getattr(ours, "file", None),
        "line": getattr(ours, "line", 0),
        "column": getattr(ours, "column", 0),
        "offset": -1 if offset is None else offset,
        "trace": "".join(traceback.format_exception(error)),
    }


def caused(error: BaseException) -> Any:
    """Return the JVM's exception that an error of Spark's stands for, or None."""
    if isinstance(error, Py4JJavaError):
        return error.java_exception
    return getattr(error, "_origin", None) if isinstance(error, PySparkException) else None


def _message(error: BaseException) -> str:
    if isinstance(error, CaffeError):
        return str(error)
    if isinstance(error, (PySparkException, Py4JError)):
        return plain_words(str(error))
    return f"{type(error).__name__}: {error}"
