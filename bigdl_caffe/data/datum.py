"""Datum messages, as databases hold them, to pixels and labels."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TypeVar

import numpy as np
from google.protobuf.message import DecodeError, Message

from bigdl_caffe.data.source import Array
from bigdl_caffe.errors import CaffeError, ImageError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.image.decode import decode

M = TypeVar("M", bound=Message)

_GREY = {"1", "L"}
_REFUSED = {
    "RGBA": "an alpha channel",
    "LA": "an alpha channel",
    "PA": "an alpha channel",
    "I": "samples of more than 8 bits",
    "I;16": "samples of more than 8 bits",
    "I;16B": "samples of more than 8 bits",
}


@dataclass(frozen=True)
class Record:
    """One picture and its label.

    Attributes
    ----------
    image : ndarray
        (channels, height, width), uint8 or float32; BGR.
    label : int
    where : str
        Where it came from, for errors: a key or a line.
    """

    image: Array
    label: int
    where: str


def parse(message: type[M], value: bytes) -> M:
    """Return the protobuf ``message`` that a database's ``value`` holds."""
    try:
        return message.FromString(value)
    except DecodeError as error:
        name = message.DESCRIPTOR.name
        raise CaffeError(
            f"its {len(value)} bytes are no {name}, or it is cut short ({error}): check that the "
            "database was made for this type of layer"
        ) from None


def pixels(datum: pb.Datum, color: bool | None = None) -> Array:
    """Return what a Datum shows: (channels, height, width), uint8 or float32.

    Parameters
    ----------
    datum : Datum
        Encoded as a picture's file, or raw.
    color : bool, optional
        Whether an encoded one is decoded to BGR or to grey (force_color, force_gray);
        None takes the picture's own channels. Raw ones stay as they are, as in Caffe.

    Raises
    ------
    ImageError
        For encoded pictures that cannot be decoded or, where ``color`` is None, have an
        alpha channel or samples of 16 bits.
    CaffeError
        For raw ones that are not of the size they say.
    """
    if datum.encoded:
        return planes(_decoded(datum.data, color))
    shape = (datum.channels, datum.height, datum.width)
    if min(shape) < 1:
        raise CaffeError(f"the Datum says that it is {shape} (channels, height, width)")
    flat: Array = (
        np.frombuffer(datum.data, np.uint8)
        if datum.data
        else np.array(datum.float_data, np.float32)
    )
    if flat.size != np.prod(shape, dtype=np.int64):
        raise CaffeError(
            f"the Datum says that it is {shape} (channels, height, width) and has {flat.size} "
            "values: it is cut short, or encoded and does not say so"
        )
    return flat.reshape(shape)


def planes(picture: Array) -> Array:
    """Return a picture (height, width, channels) as (channels, height, width), a view."""
    return np.moveaxis(picture, 2, 0)


def _decoded(data: bytes, color: bool | None) -> Array:
    if color is not None:
        return decode(data, 3 if color else 1)
    mode = _mode(data)
    if mode in _REFUSED:
        raise ImageError(
            f"the picture has {_REFUSED[mode]}, and Caffe would keep them: set force_color: true "
            "or force_gray: true in transform_param"
        )
    # As it is in the file (IMREAD_UNCHANGED), OpenCV leaves a picture's orientation alone too.
    return decode(data, 1 if mode in _GREY else 3, orient=False)


def _mode(data: bytes) -> str:
    """Return Pillow's word for the picture's channels; "" where `decode` will say why not."""
    try:
        from PIL import Image

        with Image.open(BytesIO(data)) as picture:
            return "RGBA" if "transparency" in picture.info else picture.mode
    # Pillow raises whatever damaged bytes make it come upon.
    except Exception:
        return ""
