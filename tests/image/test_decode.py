from __future__ import annotations

import struct
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bigdl_caffe.errors import CaffeError, ImageError
from bigdl_caffe.image.decode import decode
from tests.image.pictures import encode, gradient, opencv, photo, png_chunk

JPEG = encode(photo(), "JPEG", quality=85)
PNG = encode(photo())
FILES = {
    "jpeg": JPEG,
    "jpeg progressive": encode(photo(), "JPEG", progressive=True),
    "png": PNG,
    "gif": encode(photo("P"), "GIF"),
    "webp": encode(photo(), "WEBP", lossless=True),
    "bmp": encode(photo(), "BMP"),
    "tiff": encode(photo(), "TIFF", compression="tiff_lzw"),
    "ppm": encode(photo(), "PPM"),
}


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def test_a_png_gives_its_pixels_in_bgr():
    pixels = gradient()
    found = decode(encode(Image.fromarray(pixels)))
    assert found.dtype == np.uint8
    assert np.array_equal(found, pixels[:, :, ::-1])


def test_a_grey_picture_fills_three_channels():
    grey = gradient(channels=1)[:, :, 0]
    data = encode(Image.fromarray(grey))
    assert np.array_equal(decode(data), np.stack([grey] * 3, axis=2))
    assert np.array_equal(decode(data, channels=1)[:, :, 0], grey)


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA"])
def test_png_modes_equal_opencv(mode, channels):
    data = encode(photo(mode))
    assert np.array_equal(decode(data, channels), opencv(data, channels))


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("quality", [40, 92])
def test_jpegs_equal_opencv(mode, quality, channels):
    data = encode(photo(mode), "JPEG", quality=quality)
    off = np.abs(decode(data, channels).astype(int) - opencv(data, channels))
    # Two builds of libjpeg-turbo may round a coefficient otherwise; where they agree it is 0.
    assert off.max() <= 1


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM"])
def test_other_formats_equal_opencv(kind):
    data = encode(photo(), kind)
    assert np.array_equal(decode(data), opencv(data, 3))
    off = np.abs(decode(data, 1).astype(int) - opencv(data, 1))
    assert off.max() == 0


def test_lossless_webp_equals_opencv():
    assert np.array_equal(decode(FILES["webp"]), opencv(FILES["webp"], 3))


@pytest.mark.parametrize("channels", [3, 1])
def test_16_bit_grey_keeps_the_high_byte(channels):
    values = np.random.default_rng(0).integers(0, 1 << 16, (9, 13), dtype=np.uint16)
    data = encode(Image.fromarray(values))
    assert np.array_equal(decode(data, channels)[:, :, 0], values >> 8)
    assert np.array_equal(decode(data, channels), opencv(data, channels))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed_as_opencv_does(kind, orientation):
    data = encode(photo(), kind, exif=exif(orientation))
    assert np.array_equal(decode(data), opencv(data, 3))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_of_webp_is_obeyed_as_that_of_png(orientation):
    """OpenCV 4.14 obeys it, 4.10 does not."""
    webp = encode(photo(), "WEBP", exif=exif(orientation), lossless=True)
    assert np.array_equal(decode(webp), decode(encode(photo(), "PNG", exif=exif(orientation))))


def test_orientation_can_be_left_alone():
    turned, plain = encode(photo(), exif=exif(6)), encode(photo())
    assert np.array_equal(decode(turned, orient=False), decode(plain))
    assert decode(turned).shape == (53, 37, 3)


def test_damaged_exif_does_not_lose_the_picture():
    data = encode(photo(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert np.array_equal(decode(data), decode(encode(photo(), "JPEG")))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"  <!DOCTYPE html><html>", "HTML or XML"),
        (b'{"a": 1}', "JSON"),
        (b"/9j/4AAQSkZJRg", "base64"),
        (b"\x00\x01\x02\x03", r"first bytes are b'\\x00\\x01"),
        (PNG[: len(PNG) // 2], "truncated"),
        (JPEG[: len(JPEG) // 2], "truncated"),
        (encode(photo("F"), "TIFF"), "mode is F"),
    ],
)
def test_what_cannot_be_decoded_says_why(data, message):
    with pytest.raises(ImageError, match=message):
        decode(data)


def test_absurd_dimensions_are_refused_on_the_header():
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"")
    with pytest.raises(ImageError, match="pixels"):
        decode(data)
    small = encode(photo())
    with pytest.raises(ImageError, match=r"53x37 pixels, more than the limit of 1000"):
        decode(small, max_pixels=1000)


def test_pillows_own_limit_gives_way_and_comes_back(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode(PNG).shape == (37, 53, 3)
    assert Image.MAX_IMAGE_PIXELS == 100
    with pytest.raises(ImageError, match="Raise max_pixels"):
        decode(PNG, max_pixels=200)


def test_channels_are_one_or_three():
    with pytest.raises(CaffeError, match="not 4"):
        decode(PNG, channels=4)


def test_without_pillow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(CaffeError, match=r"pip install bigdl-caffe\[image\]") as caught:
        decode(PNG)
    assert not isinstance(caught.value, ImageError)  # it is no fault of the picture


def array_or_image_error(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for channels in (3, 1):
            try:
                found = decode(data, channels, max_pixels=1 << 20)
            except ImageError:
                continue
            assert found.dtype == np.uint8
            assert found.shape[2] == channels


@given(st.binary(max_size=200))
def test_random_bytes(data):
    array_or_image_error(data)


@given(st.sampled_from(sorted(FILES)), st.floats(0, 1))
@settings(deadline=None)
def test_truncated_files(name, part):
    data = FILES[name]
    array_or_image_error(data[: int(len(data) * part)])


@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=8),
    st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_flipped_bits(name, flips, in_header):
    data = bytearray(FILES[name])
    reach = 64 if in_header else len(data) - 1
    for place, bits in flips:
        data[int(place * min(reach, len(data) - 1))] ^= bits
    array_or_image_error(bytes(data))


@given(st.sampled_from(sorted(FILES)), st.binary(max_size=64))
@settings(deadline=None)
def test_a_real_start_and_a_random_rest(name, rest):
    array_or_image_error(FILES[name][:40] + rest)
