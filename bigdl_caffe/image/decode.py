"""Encoded bytes to pixels, as OpenCV's imdecode gives them to Caffe.

Pillow does the decoding and is imported only when a picture is decoded. OpenCV is
what Caffe uses, so its rules hold: BGR order, alpha dropped, the high byte of
16-bit samples, the EXIF orientation obeyed, grey as the luma of ITU-R BT.601. One
rule differs on purpose: OpenCV fills what a truncated file lacks with grey, here
such a file is an error.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from math import prod
from typing import TYPE_CHECKING

from bigdl_caffe.errors import CaffeError, ImageError
from bigdl_caffe.image.pixels import Pixels, pixels_of

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000
"""Default limit on height × width: decoding takes some 10 bytes a pixel, of a WebP 19."""

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Formats that are tried. Pillow's others are left out: rare, or unsafe (EPS runs a program)."""

_LOOKS_LIKE: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"\xff\xd8\xff", "a JPEG with a damaged header"),
    (b"\x89PNG", "a PNG with a damaged header"),
    (b"GIF8", "a GIF with a damaged header"),
    (b"II*\0", "a TIFF with a damaged header"),
    (b"MM\0*", "a TIFF with a damaged header"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"PAR1", "a Parquet file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"<?xml", "XML"),
    (b"<svg", "an SVG drawing"),
    (b"<", "HTML or XML"),
    (b"{", "JSON"),
    (b"data:", "a data URL: decode its base64 first"),
    (b"/9j/", "a JPEG in base64: decode the base64 first"),
    (b"iVBORw0KGgo", "a PNG in base64: decode the base64 first"),
)

# EXIF orientation (1 to 8) to how the stored pixels become the upright picture.
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
_EXIF_ORIENTATION = 0x0112
_TILE_WIDTH, _TILE_HEIGHT = 322, 323

_pillows_limit = threading.Lock()


def decode(
    data: bytes | memoryview,
    channels: int = 3,
    max_pixels: int = MAX_PIXELS,
    orient: bool = True,
) -> Pixels:
    """Return the picture in ``data`` as OpenCV's imdecode does.

    Parameters
    ----------
    data : bytes or memoryview of bytes
        A whole JPEG, PNG, BMP, GIF, WebP, TIFF or PNM file. Of several pictures the
        first is taken.
    channels : int
        3 for BGR, 1 for grey.
    max_pixels : int
        Largest height × width to decode. It is checked on the header, before any
        memory is taken for pixels.
    orient : bool
        Turn the picture upright as its EXIF orientation says, as OpenCV does.

    Returns
    -------
    ndarray
        uint8, (height, width, channels), BGR. It may be a read-only view.

    Raises
    ------
    ImageError
        When ``data`` is empty, not a picture, damaged, truncated, larger than
        ``max_pixels`` or of a kind that has no 8-bit colours.
    CaffeError
        When Pillow is not installed, or ``channels`` is neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise CaffeError(f"a picture decodes to 1 or 3 channels, not {channels}")
    if not data:
        raise ImageError("the image is empty (0 bytes)")
    _need_pillow()
    try:
        # A warning (a bomb, corrupt EXIF) is no use on an executor; errors come below.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(data, channels, max_pixels, orient)
    except CaffeError:
        raise
    # Pillow raises OSError, SyntaxError, ValueError, struct.error, IndexError and more on
    # damaged files, by format and release: whatever it is, the file cannot be decoded.
    except Exception as error:
        raise ImageError(_why(error, len(data))) from error


def _need_pillow() -> None:
    try:
        import PIL.Image  # noqa: F401  (only to know that it is there)
    except ImportError as error:
        raise CaffeError(
            "decoding images needs Pillow, which is not installed: pip install bigdl-caffe[image]"
        ) from error


def _decode(data: bytes | memoryview, channels: int, max_pixels: int, orient: bool) -> Pixels:
    with _pillow_allows(max_pixels), _opened(data) as picture:
        _check_size(picture, max_pixels)
        if channels == 1:
            # libjpeg then gives the stored luma, as it does for OpenCV.
            picture.draft("L", None)
        picture.load()
        pixels = pixels_of(picture, channels)
        turn = _UPRIGHT.get(_orientation(picture)) if orient else None
    return turn(pixels) if turn else pixels


def _opened(data: bytes | memoryview) -> Image:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ImageError(_not_a_picture(bytes(data[:64]))) from error


@contextmanager
def _pillow_allows(max_pixels: int) -> Iterator[None]:
    """Let Pillow decode what ``max_pixels`` lets through, also where its own limit would not.

    That one is a variable of the process, out of reach on executors. Pillow warns of more
    pixels than it says, and refuses twice as many.
    """
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    if limit is None or max_pixels <= 2 * limit:
        yield
        return
    with _pillows_limit:
        limit = Image.MAX_IMAGE_PIXELS
        try:
            Image.MAX_IMAGE_PIXELS = max_pixels
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _check_size(picture: Image, max_pixels: int) -> None:
    width, height = max(picture.size, _tile_size(picture), key=prod)
    if width * height > max_pixels:
        raise ImageError(
            f"the header says {width}x{height} pixels, more than the limit of {max_pixels}: "
            "raise max_pixels if the picture is real"
        )
    if not width * height:
        raise ImageError(f"the picture has no pixels: its header says {width}x{height}")


def _tile_size(picture: Image) -> tuple[int, int]:
    """Return the size of a TIFF's tiles, in which it is decoded, be they larger than it."""
    tags = getattr(picture, "tag_v2", {})
    return tags.get(_TILE_WIDTH, 0), tags.get(_TILE_HEIGHT, 0)


def _orientation(picture: Image) -> int:
    """Return the EXIF orientation; 1 (upright) when there is none or it cannot be read.

    OpenCV looks for it in JPEG, PNG and, in newer releases, WebP; TIFF's own tag Pillow has
    obeyed already.
    """
    if picture.format not in ("JPEG", "MPO", "PNG", "WEBP") or "exif" not in picture.info:
        return 1
    try:
        value = picture.getexif().get(_EXIF_ORIENTATION, 1)
    # Damaged EXIF data raises whatever it comes upon; OpenCV ignores it too.
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def _not_a_picture(data: bytes) -> str:
    head = data[:16]
    kind = next((name for magic, name in _LOOKS_LIKE if data.lstrip()[:16].startswith(magic)), None)
    found = f"looks like {kind}" if kind else f"its first bytes are {head!r}"
    return f"not a picture of a kind that is read ({', '.join(FORMATS)}): {found}"


def _why(error: Exception, size: int) -> str:
    from PIL.Image import DecompressionBombError

    if isinstance(error, DecompressionBombError):
        return f"the picture is too large: {error} Raise max_pixels if it is real"
    if isinstance(error, MemoryError):
        return "there is not enough memory for the picture: lower max_pixels to refuse its like"
    said = str(error) or type(error).__name__
    if "truncated" in said.lower() or isinstance(error, EOFError):
        return f"the picture is truncated: it ends after {size} bytes ({said})"
    return f"the picture is damaged: {type(error).__name__}: {said}"
