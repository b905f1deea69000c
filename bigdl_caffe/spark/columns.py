"""Arrow columns in, batch arrays out: what a column may hold, and what makes a row bad.

Every reader takes a column and the `Feed` it is for, and returns the good rows' values, which
rows those are, and for each row the reason why it is bad, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bigdl_caffe.errors import ImageError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.image import transform
from bigdl_caffe.image.decode import luma
from bigdl_caffe.image.recipe import Recipe

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Feed:
    """Where one input blob comes from.

    Attributes
    ----------
    blob : str
        Its Caffe name.
    column : int
        Position of the column in the Arrow batch.
    kind : str
        One of `READERS`.
    shape : Shape
        Of one row: the blob's shape without the batch axis.
    recipe : Recipe or None
        How an image becomes a row, for the kinds that hold images.
    """

    blob: str
    column: int
    kind: str
    shape: Shape
    recipe: Recipe | None = None


@dataclass(frozen=True)
class Rows:
    """Values of the good rows, their positions, and every row's reason for being bad, or None."""

    values: Floats
    good: Indices
    errors: tuple[str | None, ...]


class _BadRowError(ValueError):
    """A row, or a batch with such a row in it, that cannot be an input; says why."""


def read(column: pa.Array, feed: Feed) -> Rows:
    """Return the rows of ``column`` as float32 of shape ``(good rows, *feed.shape)``."""
    return READERS[feed.kind](column, feed)


# --- numbers --------------------------------------------------------------------------

_Dense = Callable[[pa.Array, Feed], Floats]


def _numbers(dense: _Dense) -> Callable[[pa.Array, Feed], Rows]:
    """Read by ``dense``: all rows at once, or one by one if that finds a bad row."""

    def reader(column: pa.Array, feed: Feed) -> Rows:
        try:
            return Rows(dense(column, feed), np.arange(len(column)), (None,) * len(column))
        except _BadRowError:
            return _one_by_one(column, feed, dense)

    return reader


def _one_by_one(column: pa.Array, feed: Feed, dense: _Dense) -> Rows:
    values: list[Floats] = []
    errors: list[str | None] = []
    for position in range(len(column)):
        try:
            values.append(dense(column.slice(position, 1), feed))
            errors.append(None)
        except _BadRowError as error:
            errors.append(f"{feed.blob}: {error}")
    good = np.flatnonzero([error is None for error in errors])
    empty = np.empty((0, *feed.shape), np.float32)
    return Rows(np.concatenate([empty, *values]), good, tuple(errors))


def _dense_array(column: pa.Array, feed: Feed) -> Floats:
    """Return (nested) lists of equal lengths as one array; no copy if they are float32."""
    found: list[int] = []
    rows = len(column)
    while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        _refuse_nulls(column)
        lengths = pc.list_value_length(column).unique()
        if len(lengths) > 1:
            raise _BadRowError("its lists have different lengths")
        found.append(lengths[0].as_py() if len(lengths) else 0)
        column = column.flatten()
    _refuse_nulls(column)
    if rows and not _fits(found, feed.shape):
        raise _BadRowError(f"has the shape {_words(found)}, not {_words(feed.shape)}")
    values: Floats = column.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return values.reshape(rows, *feed.shape)


def _dense_vector(column: pa.Array, feed: Feed) -> Floats:
    """Return Spark ML vectors (``type`` 1 is dense, 0 is sparse) as one array."""
    _refuse_nulls(column)
    if pc.all(pc.equal(pc.struct_field(column, "type"), 1), min_count=0).as_py():
        return _dense_array(pc.struct_field(column, "values"), feed)
    rows = [_full(row, prod(feed.shape)) for row in column.to_pylist()]
    return _dense_array(pa.array(rows, pa.list_(pa.float64())), feed)


def _full(vector: dict[str, Any], length: int) -> Any:
    """Return a vector's numbers; a file can hold vectors that Spark's own class would refuse."""
    values, indices = vector["values"], vector["indices"]
    if vector["type"] == 1:
        return values
    if vector["size"] != length:
        raise _BadRowError(f"has the shape {vector['size']}, not {length}")
    if values is None or indices is None or None in [*values, *indices]:
        raise _BadRowError("is null, or holds a null")
    if len(values) != len(indices) or not all(0 <= index < length for index in indices):
        raise _BadRowError(f"is sparse, and its indices are not {len(values)} below {length}")
    full = np.zeros(length)
    full[indices] = values
    return full


def _refuse_nulls(column: pa.Array) -> None:
    if column.null_count:
        raise _BadRowError("is null, or holds a null")


def _fits(found: Sequence[int], shape: Shape) -> bool:
    """Whether nested lists are an array of ``shape``; a flat list is one in row-major order."""
    if len(found) == 1:
        return found[0] == prod(shape)
    return [n for n in found if n != 1] == [n for n in shape if n != 1]


def _words(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "of one number"


# --- images ---------------------------------------------------------------------------

_CHANNELS = {0: 1, 16: 3, 24: 4}
"""OpenCV's type codes that Spark's image source writes (8 bits a channel) → channels."""


def _encoded(column: pa.Array, feed: Feed) -> Rows:
    """Read image files (JPEG, PNG, ...)."""
    return _images(column.to_pylist(), feed)


def _structs(column: pa.Array, feed: Feed) -> Rows:
    """Read Spark's image struct: decoded pixels, rows of interleaved BGR."""
    images: list[npt.NDArray[np.uint8] | None] = []
    reasons: dict[int, str] = {}
    for position, row in enumerate(column.to_pylist()):
        try:
            images.append(_pixels(row, feed.shape[0]))
        except _BadRowError as error:
            images.append(None)
            reasons[position] = f"{feed.blob}: {error}"
    rows = _images(images, feed)
    errors = tuple(reasons.get(i, error) for i, error in enumerate(rows.errors))
    return Rows(rows.values, rows.good, errors)


def _pixels(row: dict[str, Any] | None, channels: int) -> npt.NDArray[np.uint8] | None:
    """Return ``(height, width, channels)`` BGR or grey, without the alpha that nets do not see.

    The struct is as pyspark.ml.image describes it.
    """
    if row is None or row["data"] is None:
        return None
    if row["mode"] not in _CHANNELS:
        raise _BadRowError(f"is an image of mode {row['mode']}; known are {sorted(_CHANNELS)}")
    shape = (row["height"], row["width"], _CHANNELS[row["mode"]])
    if not all(isinstance(size, int) and size >= 1 for size in shape):
        raise _BadRowError(f"is an image of height {shape[0]} and width {shape[1]}")
    if len(row["data"]) != prod(shape):
        raise _BadRowError(f"holds {len(row['data'])} bytes, not the {prod(shape)} it declares")
    pixels = np.frombuffer(row["data"], np.uint8).reshape(shape)
    if shape[2] == 1:
        return np.repeat(pixels, channels, axis=2)
    return luma(pixels[:, :, :3]) if channels == 1 else pixels[:, :, :3]


def _images(images: Sequence[Any], feed: Feed) -> Rows:
    if feed.recipe is None:
        raise ImageError(f"blob '{feed.blob}' is fed with images: say by which recipe")
    values, good, errors = transform.batch(feed.recipe, images)
    return Rows(values, good, tuple(errors))


READERS: dict[str, Callable[[pa.Array, Feed], Rows]] = {
    "array": _numbers(_dense_array),
    "vector": _numbers(_dense_vector),
    "encoded": _encoded,
    "image": _structs,
}
"""What a column can hold → its reader."""
