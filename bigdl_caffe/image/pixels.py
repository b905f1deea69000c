"""Colours as OpenCV has them: a picture that Pillow has loaded to BGR or grey bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]

_BAND = 1 << 22
"""Pixels converted at once: converting takes up to 20 bytes a pixel, twice what loading does."""

# 0.114 B + 0.587 G + 0.299 R: the weights, what is added to round, the bits to drop.
_LUMA = ((1868, 9617, 4899), 1 << 13, 14)
_LUMA_PNG = ((3737, 19234, 9797), 0, 15)
_LUMA_FLOAT = (0.114, 0.587, 0.299)


def pixels_of(picture: Image, channels: int) -> Pixels:
    """Return a loaded picture's pixels.

    Parameters
    ----------
    picture : PIL.Image.Image
        Loaded, of any mode.
    channels : int
        3 for BGR, 1 for grey.

    Returns
    -------
    ndarray
        uint8, (height, width, channels); alpha is dropped, 16-bit samples keep the high byte.

    Raises
    ------
    ImageError
        The picture's mode has no 8-bit colours.
    """
    if picture.mode in ("F", "LAB", "HSV"):
        raise ImageError(
            f"the picture's mode is {picture.mode}, which has no 8-bit colours: use RGB"
        )
    out = np.empty((picture.height, picture.width, channels), np.uint8)
    for top, band in _bands(picture):
        out[top : top + band.height] = _converted(band, channels, picture.format)
    return out


def _bands(picture: Image) -> Iterator[tuple[int, Image]]:
    """Yield the picture from top to bottom in parts, each with the row it starts at."""
    step = max(1, _BAND // picture.width)
    if step >= picture.height:
        yield 0, picture
        return
    for top in range(0, picture.height, step):
        yield top, picture.crop((0, top, picture.width, min(top + step, picture.height)))


def _converted(picture: Image, channels: int, file_format: str | None) -> Pixels:
    """Return BGR or grey; grey alone may have one channel where three are asked for."""
    if picture.mode.startswith("I"):
        return _high_bytes(picture)
    if picture.mode in ("1", "L", "LA", "La"):
        return _array(picture, "L", 1)
    if picture.mode == "CMYK" and file_format == "JPEG":
        pixels = _from_ink(np.asarray(picture))
    else:
        pixels = _array(picture, "RGB", 3)
    return pixels if channels == 3 else luma(pixels, file_format)


def _array(picture: Image, mode: str, channels: int) -> Pixels:
    same = picture if picture.mode == mode else picture.convert(mode)
    flat = np.frombuffer(same.tobytes("raw", "BGR" if mode == "RGB" else mode), np.uint8)
    return flat.reshape(picture.height, picture.width, channels)


def _from_ink(cmyk: Pixels) -> Pixels:
    """Return the BGR of a JPEG's inks, by OpenCV's rule (utils.cpp, icvCvt_CMYK2BGR)."""
    light = 255 - cmyk[:, :, 3:].astype(np.int32)
    return (light - (cmyk[:, :, 2::-1] * light >> 8)).astype(np.uint8)


def _high_bytes(picture: Image) -> Pixels:
    """Return a 16-bit grey picture's high bytes, as libpng's strip_16 for OpenCV."""
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise ImageError("the picture has 32-bit samples, of which OpenCV makes no 8-bit ones")
    return (values >> 8).astype(np.uint8)[:, :, None]


def luma(bgr: NDArray[Any], file_format: str | None = None) -> NDArray[Any]:
    """Return BGR as grey, (height, width, 1), of the same type.

    Bytes are weighed in the fixed point of libpng for PNG, else of OpenCV; floats as floats.
    """
    blue, green, red = (bgr[:, :, i : i + 1] for i in range(3))
    if bgr.dtype != np.uint8:
        b, g, r = (np.float32(weight) for weight in _LUMA_FLOAT)
        grey: NDArray[Any] = blue * b + green * g + red * r
        return grey
    weights, half, bits = _LUMA_PNG if file_format == "PNG" else _LUMA
    whole = np.multiply(blue, weights[0], dtype=np.int32)
    whole += np.multiply(green, weights[1], dtype=np.int32)
    whole += np.multiply(red, weights[2], dtype=np.int32)
    whole += half
    whole >>= bits
    dense: Pixels = whole.astype(np.uint8)
    return dense
