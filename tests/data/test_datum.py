"""Datum messages to pixels, and what is wrong with those that have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from bigdl_caffe.data.datum import parse, pixels
from bigdl_caffe.errors import CaffeError, ImageError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from tests.data.databases import datum, picture
from tests.image.pictures import encode, photo


def encoded(*args: Any, **options: Any) -> pb.Datum:
    return pb.Datum(data=encode(*args, **options), encoded=True)


def opencv(data: bytes, flag: int) -> np.ndarray[Any, Any]:
    cv2 = pytest.importorskip("cv2", reason="is what decoding is compared to")
    found = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    return np.moveaxis(np.atleast_3d(found), 2, 0)


def test_raw_bytes_and_floats_keep_their_type_and_shape() -> None:
    raw = picture(0, 3, 4, 5)
    assert np.array_equal(pixels(datum(raw)), raw)
    floats = raw.astype(np.float32) / 7
    found = pixels(datum(floats))
    assert found.dtype == np.float32
    assert np.array_equal(found, floats)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGB"), ("PNG", "L"), ("PNG", "P"), ("PNG", "1"), ("JPEG", "RGB"), ("JPEG", "L")],
)
def test_an_encoded_one_keeps_its_own_channels(kind: str, mode: str) -> None:
    message = encoded(photo(mode), kind)
    assert np.array_equal(pixels(message), opencv(message.data, -1))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_colour_and_grey_can_be_forced(mode: str) -> None:
    message = encoded(photo(mode))
    assert np.array_equal(pixels(message, color=True), opencv(message.data, 1))
    assert np.array_equal(pixels(message, color=False), opencv(message.data, 0))


def test_raw_ones_are_not_forced() -> None:
    assert pixels(datum(picture(0, 3, 4, 5)), color=False).shape == (3, 4, 5)


def test_orientation_counts_only_where_opencv_converts() -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    message = encoded(photo(), "JPEG", exif=tags)
    for color, flag in ((None, -1), (True, 1)):
        assert pixels(message, color).shape == opencv(message.data, flag).shape


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (photo("RGBA"), "alpha"),
        (photo("LA"), "alpha"),
        (Image.fromarray(np.full((4, 5), 300, np.uint16)), "more than 8 bits"),
    ],
)
def test_what_caffe_would_keep_of_more_than_three_channels_or_eight_bits(
    picture: Image.Image, words: str
) -> None:
    message = encoded(picture)
    with pytest.raises(ImageError, match=f"{words}.*force_color"):
        pixels(message)
    assert len(pixels(message, color=True)) == 3


@pytest.mark.parametrize("data", [b"", b"rubbish", encode(photo())[:200]])
def test_what_does_not_decode_is_said(data: bytes) -> None:
    with pytest.raises(ImageError):
        pixels(pb.Datum(data=data, encoded=True))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (pb.Datum(channels=3, height=2, width=2, data=b"123"), "has 3 values"),
        (pb.Datum(channels=1, height=2, width=2, float_data=[1.0]), "has 1 values"),
        (pb.Datum(channels=1, height=2, width=2), "has 0 values"),
        (pb.Datum(data=encode(photo())), r"says that it is \(0, 0, 0\)"),
        (pb.Datum(channels=-1, height=2, width=2, data=b"123"), "-1"),
    ],
)
def test_raw_ones_of_another_size_are_refused(message: pb.Datum, words: str) -> None:
    with pytest.raises(CaffeError, match=words):
        pixels(message)


def test_a_message_cut_short_is_refused() -> None:
    whole = datum(picture(0, 3, 4, 5)).SerializeToString()
    assert parse(pb.Datum, whole).width == 5
    with pytest.raises(CaffeError, match=r"are no Datum, or it is cut short"):
        parse(pb.Datum, whole[:-10])
