"""Pictures of rare kinds come out as OpenCV has them."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from bigdl_caffe.image.decode import decode
from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.image.transform import apply
from tests.image.pictures import encode, opencv, photo, png_chunk

DEEP = np.random.default_rng(0).integers(0, 1 << 16, (9, 13, 4), np.uint16)
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def deep_png(colour: int, *chunks: bytes) -> bytes:
    """Return a PNG of 16 bits a sample, of one of PNG's colour types."""
    header = struct.pack(">IIBBBBB", 13, 9, 16, colour, 0, 0, 0)
    rows = DEEP[:, :, : CHANNELS[colour]].astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    parts = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", zlib.compress(raw))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


def ycck() -> bytes:
    """Return a JPEG of inks stored as YCCK: Adobe's marker tells it from CMYK."""
    data = bytearray(encode(photo("CMYK"), "JPEG"))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


EQUAL = {
    "png 16-bit grey": deep_png(0),
    "png 16-bit grey, alpha": deep_png(4),
    "png 16-bit grey, a clear colour": deep_png(0, png_chunk(b"tRNS", b"\0\1")),
    "png palette with alpha": encode(photo("P"), transparency=bytes(range(256))),
    "png palette, a clear colour": encode(photo("P"), transparency=3),
    "png palette of 2": encode(photo("L").quantize(2), bits=1),
    "png a clear colour": encode(photo(), transparency=(1, 2, 3)),
    "png grey, a clear colour": encode(photo("L"), transparency=3),
    "bmp palette": encode(photo("P"), "BMP"),
    "bmp 1 bit": encode(photo("1"), "BMP"),
    "tiff 1 bit": encode(photo("1"), "TIFF"),
    "tiff grey": encode(photo("L"), "TIFF", compression="tiff_lzw"),
    "tiff palette": encode(photo("P"), "TIFF"),
    "tiff CMYK": encode(photo("CMYK"), "TIFF"),
    "tiff 16-bit grey": encode(Image.fromarray(DEEP[:, :, 0]), "TIFF"),
    "jpeg YCCK": ycck(),
    "jpeg grey": encode(photo("L"), "JPEG", progressive=True),
    "jpeg RGB": encode(photo(), "JPEG", keep_rgb=True),
    "two pictures": encode(photo(), "MPO", save_all=True, append_images=[photo(seed=3)]),
    "ppm 1 bit": encode(photo("1"), "PPM"),
    "ppm as text": b"P3 2 1 255\n1 2 3 4 5 6\n",
}
CLOSE = {
    "png 16-bit colour": deep_png(2),
    "png 16-bit colour, alpha": deep_png(6),
    "png 16-bit colour, a clear one": deep_png(2, png_chunk(b"tRNS", b"\0\1\0\1\0\1")),
    "ppm 16-bit colour": b"P6 13 9 65535\n" + DEEP[:, :, :3].astype(">u2").tobytes(),
}
"""OpenCV rounds these otherwise: to grey before it takes the high byte, or to the nearest."""


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("name", [*EQUAL, *CLOSE])
def test_as_opencv(name: str, channels: int) -> None:
    data = (EQUAL | CLOSE)[name]
    off = np.abs(decode(data, channels).astype(int) - opencv(data, channels))
    assert off.max() <= (name in CLOSE)


@pytest.mark.parametrize("colour", [2, 6])
def test_16_bit_colour_keeps_the_high_byte(colour: int) -> None:
    assert np.array_equal(decode(deep_png(colour)), DEEP[:, :, 2::-1] >> 8)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_picture(kind: str) -> None:
    mode = "P" if kind == "GIF" else "RGB"
    options = {"lossless": True} if kind == "WEBP" else {}
    more = {"save_all": True, "append_images": [photo(mode, seed=5)]}
    first, all_ = (encode(photo(mode), kind, **options, **extra) for extra in ({}, more))
    assert np.array_equal(decode(all_), decode(first))


@pytest.mark.parametrize("size", [(1, 1), (1, 16000), (16000, 1), (3, 12000)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_tiny_long_and_thin(kind: str, size: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    data = encode(Image.fromarray(grey), kind, quality=95, lossless=True)
    for channels in (3, 1):
        pixels = decode(data, channels)
        assert pixels.shape == (*size, channels)
        if kind != "JPEG":
            assert np.array_equal(pixels, np.repeat(grey[:, :, None], channels, axis=2))
        made = apply(Recipe(channels, resize=(4, 5)), pixels)
        assert made.shape == (channels, 4, 5)
        assert pixels.min() <= made.min()
        assert made.max() <= pixels.max()


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_large_ones_are_converted_in_bands(
    monkeypatch: pytest.MonkeyPatch, mode: str, channels: int
) -> None:
    for kind in ("PNG", "TIFF"):
        whole = decode(encode(photo(mode), kind), channels)
        with monkeypatch.context() as patch:
            patch.setattr("bigdl_caffe.image.pixels._BAND", 53 * 7)
            assert np.array_equal(decode(encode(photo(mode), kind), channels), whole)
