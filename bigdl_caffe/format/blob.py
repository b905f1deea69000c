"""Files that are one blob: means, and the matrix of InfogainLoss."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format import paths
from bigdl_caffe.format.wire import index_blob


def read_mean(path: paths.PathLike) -> NDArray[np.float32]:
    """Read a mean: ``mean.binaryproto`` as Caffe's compute_image_mean writes it, or ``.npy``.

    Returns
    -------
    ndarray, float32, (channels, height, width)
        From npy also (channels,) as (channels, 1, 1).

    Raises
    ------
    CaffeFormatError
        For a file that is neither, or of several images.
    """
    raw = paths.read_bytes(path)
    mean = _npy(raw, str(path)) if raw[:6] == b"\x93NUMPY" else _binaryproto(raw, str(path))
    mean = mean[0] if mean.ndim == 4 and len(mean) == 1 else mean
    mean = mean.reshape(-1, 1, 1) if mean.ndim == 1 else mean
    if mean.ndim != 3:
        raise CaffeFormatError(
            f"a mean is (channels, height, width) or (channels,), this is {mean.shape}", str(path)
        )
    return mean


def read_blob(path: paths.PathLike) -> NDArray[np.float32]:
    """Read the BlobProto in the binary file at ``path``, which a net names, in its own shape.

    Raises
    ------
    CaffeFormatError
        For a file that is none.
    CaffeError
        For a device or a pipe.
    """
    paths.check_finite(path)
    return _binaryproto(paths.read_bytes(path), str(path))


def _npy(raw: bytes, file: str) -> NDArray[np.float32]:
    try:
        array = np.load(BytesIO(raw), allow_pickle=False)
        return np.asarray(array, dtype=np.float32)
    except (ValueError, EOFError, TypeError) as error:
        raise CaffeFormatError(f"this npy file cannot be read: {error}", file) from None


def _binaryproto(raw: bytes, file: str) -> NDArray[np.float32]:
    blob = index_blob(raw, file)
    if not blob.shape:
        raise CaffeFormatError("this is no binaryproto of a blob: it has no shape", file)
    out = np.empty(blob.count, np.float32)
    blob.copy_to(out)
    return out.reshape(blob.shape)
