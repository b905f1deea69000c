"""Bilinear resizing, bit for bit as cv2.resize(..., INTER_LINEAR), in numpy.

Half-pixel centres, no antialiasing. OpenCV works on 8-bit pictures in fixed point:
11 bits for each weight, columns first, and bits cut off at two places. The same is
done here, so that the pixels a net sees are the ones Caffe's tools would show it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_ONE = 2048  # weight 1 in OpenCV's fixed point (INTER_RESIZE_COEF_SCALE)


class _Taps(NamedTuple):
    """The two source positions of each target position, and the second one's weight."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    weight: NDArray[np.float32]


class _Plan(NamedTuple):
    """What a resize from one size to another needs, for both kinds of pixels."""

    rows: NDArray[np.intp]
    top: NDArray[np.intp]
    bottom: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    down: NDArray[np.float32]
    across: NDArray[np.float32]


def resize(image: Array, size: tuple[int, int]) -> Array:
    """Return ``image`` resized as OpenCV's INTER_LINEAR does.

    Parameters
    ----------
    image : ndarray
        uint8 or float32, (height, width, channels).
    size : (int, int)
        Target height and width.

    Returns
    -------
    ndarray
        Of ``image``'s type, (height, width, channels); ``image`` itself when the size is right.
    """
    height, width, channels = image.shape
    if (height, width) == size:
        return image
    plan = _plan(height, width, *size, channels)
    rows = image[plan.rows].reshape(len(plan.rows), width * channels)
    blend = _blend_bytes if image.dtype == np.uint8 else _blend_floats
    return blend(rows, plan).reshape(*size, channels)


def _blend_bytes(rows: Array, plan: _Plan) -> Array:
    """Blend columns, then rows, in OpenCV's fixed point (resize.cpp, VResizeLinear)."""
    left, right = _fixed(plan.across)
    mixed = rows.take(plan.left, axis=1) * left
    mixed += rows.take(plan.right, axis=1) * right
    mixed >>= 4
    top, bottom = _fixed(plan.down)
    out = mixed[plan.top] * top
    out >>= 16
    below = mixed[plan.bottom] * bottom
    below >>= 16
    out += below
    out += 2
    out >>= 2
    return out.astype(np.uint8)


def _blend_floats(rows: Array, plan: _Plan) -> Array:
    one = np.float32(1)
    mixed = rows.take(plan.left, axis=1) * (one - plan.across)
    mixed += rows.take(plan.right, axis=1) * plan.across
    out: Array = mixed[plan.top] * (one - plan.down)
    out += mixed[plan.bottom] * plan.down
    return out


def _fixed(weight: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    first = np.rint((np.float32(1) - weight) * _ONE).astype(np.int32)
    return first, np.rint(weight * _ONE).astype(np.int32)


@lru_cache(maxsize=64)
def _plan(height: int, width: int, to_height: int, to_width: int, channels: int) -> _Plan:
    """Return the plan for one pair of sizes; only rows that are read are blended."""
    y, x = _taps(height, to_height), _taps(width, to_width)
    rows, place = np.unique(np.concatenate([y.low, y.high]), return_inverse=True)
    # OpenCV takes an outermost column whole, but blends an outermost row with itself,
    # which the fixed point rounds otherwise.
    across = np.where(x.low == x.high, np.float32(0), x.weight)
    channel = np.arange(channels)
    return _Plan(
        rows=rows,
        top=place[:to_height],
        bottom=place[to_height:],
        left=(x.low[:, None] * channels + channel).ravel(),
        right=(x.high[:, None] * channels + channel).ravel(),
        down=y.weight[:, None],
        across=np.repeat(across, channels),
    )


def _taps(size: int, to: int) -> _Taps:
    at = ((np.arange(to) + 0.5) * (size / to) - 0.5).astype(np.float32)
    low = np.floor(at).astype(np.intp)
    weight = (at - low).astype(np.float32)
    return _Taps(low.clip(0, size - 1), (low + 1).clip(0, size - 1), weight)
