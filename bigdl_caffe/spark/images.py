"""Score pictures with what they came with kept, as BigDL's predict_image does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import RDD
from pyspark.sql import Row

from bigdl_caffe.errors import CaffeError, ImageError
from bigdl_caffe.image import Recipe, batch
from bigdl_caffe.spark.environment import Portable
from bigdl_caffe.spark.pictures import structs
from bigdl_caffe.spark.rdd import RddTask, is_rdd, rdd_task
from bigdl_caffe.spark.scoring import score_dataframe

if TYPE_CHECKING:
    from bigdl_caffe.model import Model

KEYS = ("image", "bytes")
"""Where an element that is a dict has its picture; the second is BigDL's."""

_STRUCT = pa.struct(
    [("height", pa.int32()), ("width", pa.int32()), ("mode", pa.int32()), ("data", pa.binary())]
)


def predict_image(
    model: Model,
    images: Any,
    blob: str,
    *,
    batch_size: int = 32,
    predict_key: str = "predict",
    recipe: Recipe | None = None,
    engine: str = "torch",
    **how: Any,
) -> Any:
    """Score pictures; `Model.predict_image` says how."""
    if not is_rdd(images):
        how = {"batch_size": batch_size, "recipe": recipe, "engine": engine, **how}
        return score_dataframe(model, images, fetch={blob: predict_key}, **how)
    if how:
        raise CaffeError(f"{', '.join(how)}: such options are for DataFrames only")
    task = rdd_task(model, batch_size, [blob], engine)
    row_of = partial(prepared, recipe or model.recipe())
    return _predict_rdd(images, task, row_of, predict_key)


def _predict_rdd(
    images: RDD[Any], task: RddTask, row_of: Callable[[Any], Any], key: str
) -> RDD[dict[str, Any]]:
    def predicted(partition: Iterable[Any]) -> Iterator[dict[str, Any]]:
        for element, (prediction,) in task(map(_as_dict, partition), row_of):
            yield {**element, key: prediction}

    return images.mapPartitions(Portable(predicted), preservesPartitioning=True)


def _as_dict(element: Any) -> dict[str, Any]:
    """Return an element as a dict that has its picture."""
    if isinstance(element, Row) and not _is_struct(element):
        return element.asDict()
    return element if isinstance(element, dict) else {KEYS[0]: element}


def _is_struct(value: Any) -> bool:
    return isinstance(value, Row) and {field.name for field in _STRUCT} <= set(value.__fields__)


def prepared(recipe: Recipe, element: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Return an element's picture as the recipe makes it.

    Raises
    ------
    ImageError
        There is none.
    """
    found = [element[key] for key in KEYS if key in element]
    if not found:
        raise ImageError(f"it has {', '.join(element)}, of which none is {' or '.join(KEYS)}")
    picture = found[0]
    if _is_struct(picture):
        made = structs(pa.array([picture.asDict()], _STRUCT), recipe)
    elif picture is None or isinstance(picture, bytes | bytearray | np.ndarray):
        made = batch(recipe, [bytes(picture) if isinstance(picture, bytearray) else picture])
    else:
        raise ImageError(
            f"it holds a {type(picture).__name__}: give a picture's file as bytes, an array "
            "(height, width, channels) of BGR or grey, or Spark's image struct"
        )
    if made.errors[0]:
        raise ImageError(made.errors[0])
    array: npt.NDArray[np.float32] = made.array[0]
    return array
