"""Caffemodels with half floats, as NVIDIA's fork writes them (its blob.cpp, ToProto)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.verbatim import rewrite
from bigdl_caffe.format.wire import index_blob
from bigdl_caffe.format.wireblob import WireBlob

LARGEST = 65504.0
"""The largest number of a half float."""


def halve(source: paths.PathLike, target: paths.PathLike) -> None:
    """Write the caffemodel ``source`` to ``target`` with its numbers as half floats.

    Numbers are rounded to the nearest half float: 11 bits, and 0 below 3e-8. They lie in
    ``raw_data``, which NVIDIA's fork, OpenCV and this package read; other Caffes find no
    numbers in such a blob.

    Raises
    ------
    CaffeError
        For numbers over 65504, which would become infinite.
    CaffeFormatError
        For a file that is damaged or no caffemodel.
    """
    rewrite(source, target, lambda net: net, _halved)


def _halved(layer: str, data: memoryview) -> bytes:
    stored = index_blob(data)
    numbers = np.empty(stored.count, np.float32)
    stored.copy_to(numbers)
    _check_range(layer, numbers)
    out = _shape(stored)
    out.raw_data_type = pb.FLOAT16
    out.raw_data = numbers.astype("<f2").tobytes()
    return out.SerializeToString()


def _check_range(layer: str, numbers: NDArray[np.float32]) -> None:
    most = np.abs(numbers[np.isfinite(numbers)]).max(initial=0)
    if most > LARGEST:
        raise CaffeError(
            f"layer '{layer}' holds the number {most:g}, and half floats end at {LARGEST:g}: keep "
            "floats; where it is a BatchNorm, save with fold=True first"
        )


def _shape(stored: WireBlob) -> pb.BlobProto:
    if stored.shape is None:
        return pb.BlobProto()
    if stored.legacy:
        num, channels, height, width = stored.shape
        return pb.BlobProto(num=num, channels=channels, height=height, width=width)
    return pb.BlobProto(shape=pb.BlobShape(dim=stored.shape))
