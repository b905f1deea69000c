"""Arrow columns of images as batches: image files, and Spark's struct of decoded pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bigdl_caffe.errors import ImageError
from bigdl_caffe.image import Batch, Recipe, batch
from bigdl_caffe.image.pixels import luma
from bigdl_caffe.image.transform import Cut, collect

_DEPTHS = {0: "u1", 2: "<u2", 5: "<f4"}
_MODES = {
    depth + 8 * (channels - 1): (kind, channels)
    for channels in (1, 3, 4)
    for depth, kind in _DEPTHS.items()
}
"""OpenCV's type codes, CV_8UC1 to CV_32FC4 → the type of a number, and channels."""


def encoded(column: pa.Array, recipe: Recipe, cuts: Sequence[Cut] = ()) -> Batch:
    """Read image files (JPEG, PNG, ...), whose bytes stay in Arrow's memory."""
    files = [memoryview(row.as_buffer()) if row.is_valid else None for row in column]
    return batch(recipe, files, cuts)


def structs(column: pa.Array, recipe: Recipe, cuts: Sequence[Cut] = ()) -> Batch:
    """Read Spark's image struct: decoded pixels, rows of interleaved BGR or BGRA.

    The struct is as pyspark.ml.image describes it; of OpenCV's types, which the mode names,
    8-bit, 16-bit (of which the high byte counts, as in files) and 32-bit floats are read.
    """
    sizes = (pc.struct_field(column, name).to_pylist() for name in ("height", "width", "mode"))
    rows = zip(*sizes, pc.struct_field(column, "data"), strict=True)
    return collect(recipe, [partial(_pixels, recipe.channels, *row) for row in rows], cuts)


def _pixels(
    channels: int, height: int | None, width: int | None, mode: int | None, data: pa.Scalar
) -> npt.NDArray[Any]:
    """Return ``(height, width, channels)`` BGR or grey, without the alpha that nets do not see."""
    if not data.is_valid:
        raise ImageError("there is no image: the value is null")
    if mode not in _MODES:
        raise ImageError(
            f"the image's mode is {mode}: of OpenCV's types those that are read are "
            f"{sorted(_MODES)}, which are 8U, 16U and 32F of 1, 3 and 4 channels"
        )
    if not height or not width or min(height, width) < 1:
        raise ImageError(f"the image has no pixels: its height is {height} and its width {width}")
    kind, depth = _MODES[mode]
    buffer, wanted = data.as_buffer(), prod((height, width, depth, np.dtype(kind).itemsize))
    if len(buffer) != wanted:
        raise ImageError(f"the image holds {len(buffer)} bytes, not the {wanted} it declares")
    pixels: npt.NDArray[Any] = np.frombuffer(buffer, kind).reshape(height, width, depth)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if depth == 1:
        return np.repeat(pixels, channels, axis=2)
    return luma(pixels) if channels == 1 else pixels[:, :, :3]
