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

from bigdl_caffe.errors import ImageError
from bigdl_caffe.graph.ir import INT_MAX

Array = NDArray[Any]

_ONE = 2048  # weight 1 in OpenCV's fixed point (INTER_RESIZE_COEF_SCALE)
_BLOCK = 24_576  # values blended at once: beyond a processor's cache it takes twice as long


class _Weights(NamedTuple):
    """What the first and the second source position of each target position count for."""

    first: Array
    second: Array


class _Block(NamedTuple):
    """Some of the target's rows: which source rows they need, and which two each blends."""

    target: slice
    rows: NDArray[np.intp]
    top: NDArray[np.intp]
    bottom: NDArray[np.intp]
    down: _Weights


class _Plan(NamedTuple):
    """All there is to know about a resize before its pixels; columns count channels too."""

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    across: _Weights
    blocks: list[_Block]


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
        Of ``image``'s type, (height, width, channels); ``image`` itself when the size
        is right.

    Raises
    ------
    ImageError
        For a size that no blob could hold.
    """
    height, width, channels = image.shape
    if (height, width) == size:
        return image
    if channels * size[0] * size[1] > INT_MAX:
        raise ImageError(f"a picture cannot be resized to {size}: give a smaller height and width")
    fixed = image.dtype == np.uint8
    blend = _blend_bytes if fixed else _blend_floats
    plan = _plan(height, width, *size, channels, fixed)
    source = image.reshape(height, width * channels)
    out = np.empty((size[0], size[1] * channels), image.dtype)
    for block in plan.blocks:
        rows = source[block.rows]
        mixed = rows.take(plan.left, axis=1) * plan.across.first
        mixed += rows.take(plan.right, axis=1) * plan.across.second
        out[block.target] = blend(mixed, block)
    return out.reshape(*size, channels)


def _blend_bytes(mixed: Array, block: _Block) -> Array:
    """Blend rows in OpenCV's fixed point (resize.cpp, VResizeLinear)."""
    mixed >>= 4
    out: Array = mixed[block.top] * block.down.first
    out >>= 16
    below = mixed[block.bottom] * block.down.second
    below >>= 16
    out += below
    out += 2
    out >>= 2
    return out


def _blend_floats(mixed: Array, block: _Block) -> Array:
    out: Array = mixed[block.top] * block.down.first
    out += mixed[block.bottom] * block.down.second
    return out


@lru_cache(maxsize=64)
def _plan(
    height: int, width: int, to_height: int, to_width: int, channels: int, fixed: bool
) -> _Plan:
    low, high, weight = _taps(width, to_width)
    # OpenCV takes an outermost column whole, but blends an outermost row with itself,
    # which the fixed point rounds otherwise.
    across = np.where(low == high, np.float32(0), weight)
    channel = np.arange(channels)
    return _Plan(
        left=(low[:, None] * channels + channel).ravel(),
        right=(high[:, None] * channels + channel).ravel(),
        across=_weights(np.repeat(across, channels), fixed),
        blocks=_blocks(height, to_height, max(1, _BLOCK // (to_width * channels)), fixed),
    )


def _blocks(height: int, to_height: int, step: int, fixed: bool) -> list[_Block]:
    low, high, weight = _taps(height, to_height)
    blocks = []
    for start in range(0, to_height, step):
        target = slice(start, min(start + step, to_height))
        both = np.concatenate([low[target], high[target]])
        rows, place = np.unique(both, return_inverse=True)
        top, bottom = np.split(place, 2)
        blocks.append(_Block(target, rows, top, bottom, _weights(weight[target, None], fixed)))
    return blocks


def _taps(size: int, to: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Return each target position's two source positions, and the second one's weight."""
    at = ((np.arange(to) + 0.5) * (size / to) - 0.5).astype(np.float32)
    low = np.floor(at).astype(np.intp)
    weight = (at - low).astype(np.float32)
    return low.clip(0, size - 1), (low + 1).clip(0, size - 1), weight


def _weights(second: NDArray[np.float32], fixed: bool) -> _Weights:
    first = np.float32(1) - second
    if not fixed:
        return _Weights(first, second)
    whole = (np.rint(w * _ONE).astype(np.int32) for w in (first, second))
    return _Weights(*whole)
