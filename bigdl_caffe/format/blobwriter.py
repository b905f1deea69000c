"""Blobs inside a binary message, written as a stream: no number becomes a Python object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.caffemodel import tag, varint

_NONE: NDArray[np.float32] = np.empty(0, np.float32)


class Piece(NamedTuple):
    """Bytes of a message, and the numbers, float32 of any shape, that follow them."""

    head: bytes
    numbers: NDArray[np.float32] = _NONE


def blob_pieces(
    number: int,
    blob: NDArray[np.float32],
    diff: NDArray[np.float32] | None = None,
    legacy: bool = False,
) -> list[Piece]:
    """Return the pieces of field ``number``: a BlobProto as Caffe's Blob::ToProto makes it.

    Parameters
    ----------
    number : int
    blob : ndarray
        Its data.
    diff : ndarray, optional
        Its diff, of the same shape.
    legacy : bool
        Whether to say the shape of up to four axes as num, channels, height, width.
    """
    shape = (_legacy_shape if legacy and blob.ndim <= 4 else _shape)(blob.shape)
    inside = [Piece(shape.SerializeToString()), _run(pb.BlobProto.DATA_FIELD_NUMBER, blob)]
    if diff is not None:
        inside.append(_run(pb.BlobProto.DIFF_FIELD_NUMBER, diff))
    return [Piece(tag(number) + varint(size_of(inside))), *inside]


def size_of(pieces: Iterable[Piece]) -> int:
    """Return how many bytes ``pieces`` take."""
    return sum(len(piece.head) + piece.numbers.size * 4 for piece in pieces)


def write_pieces(out: BinaryIO, pieces: Iterable[Piece]) -> None:
    """Write ``pieces`` to ``out``; one piece at a time is copied if it is not contiguous."""
    for piece in pieces:
        out.write(piece.head)
        out.write(np.ascontiguousarray(piece.numbers, "<f4").data)


def check_size(size: int, file: str, hdf5: str) -> None:
    """Raise `CaffeError` for a ``file`` that Caffe could not read, naming the ending to give it."""
    if size >= 1 << 31:
        raise CaffeError(
            f"cannot write {file}: it takes {size} bytes, and Caffe reads binary files of less "
            f"than 2 GiB; write HDF5, by a name that ends in {hdf5}"
        )


def _run(number: int, numbers: NDArray[np.float32]) -> Piece:
    return Piece(tag(number) + varint(numbers.size * 4), numbers)


def _shape(shape: tuple[int, ...]) -> pb.BlobProto:
    """Return a blob's shape; as Caffe's Blob::ToProto, nothing for a blob without axes."""
    return pb.BlobProto(shape=pb.BlobShape(dim=shape)) if shape else pb.BlobProto()


def _legacy_shape(shape: tuple[int, ...]) -> pb.BlobProto:
    num, channels, height, width = (1,) * (4 - len(shape)) + shape
    return pb.BlobProto(num=num, channels=channels, height=height, width=width)
