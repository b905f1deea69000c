"""What a stored blob is: its shape, old or new, and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format import paths
from bigdl_caffe.format.lexer import decode_name

__all__ = ["decode_name", "fits", "read_mean"]


def fits(stored: tuple[int, ...] | None, legacy: bool, count: int, shape: Sequence[int]) -> bool:
    """Return whether Caffe copies a stored blob into one of ``shape``.

    As Blob::ShapeEquals: an old 4-D shape matches any shape of up to four axes that
    is the same but for ones in front. A blob stored without a shape fits by its count,
    which Caffe does not allow but other writers rely on.
    """
    if stored is None:
        return count == int(np.prod(shape, dtype=object))
    if legacy:
        return len(shape) <= 4 and stored == (1,) * (4 - len(shape)) + tuple(shape)
    return stored == tuple(shape)


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


def _npy(raw: bytes, file: str) -> NDArray[np.float32]:
    try:
        array = np.load(BytesIO(raw), allow_pickle=False)
        return np.asarray(array, dtype=np.float32)
    except (ValueError, EOFError, TypeError) as error:
        raise CaffeFormatError(f"this npy file cannot be read: {error}", file) from None


def _binaryproto(raw: bytes, file: str) -> NDArray[np.float32]:
    from bigdl_caffe.format.wire import index_blob  # which knows this module's rules

    blob = index_blob(raw, file)
    if not blob.shape:
        raise CaffeFormatError("this is no mean.binaryproto: it has no shape", file)
    out = np.empty(blob.count, np.float32)
    blob.copy_to(out)
    return out.reshape(blob.shape)
