"""Weight files of any kind, behind one small interface.

::

    with open_weights("net.caffemodel") as source:      # or .caffemodel.h5, or a URI
        for layer in source.layers:                     # layer.name, layer.type, layer.blobs
            for blob in layer.blobs:                    # blob.shape, .legacy, .count, .fits(shape)
                out = np.empty(blob.count, np.float32)
                blob.copy_to(out)                       # straight from the file, from any thread

Nothing but names and shapes is read before ``copy_to`` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.format import paths

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


class BlobRef(Protocol):
    """One stored blob: what it is, and how to get its numbers."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Its shape; None where the file gives none."""

    @property
    def legacy(self) -> bool:
        """Whether the shape is of the old kind: num, channels, height, width."""

    @property
    def count(self) -> int:
        """How many numbers it holds."""

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether Caffe would copy it into a blob of ``shape``; see `fits`."""

    def copy_to(self, out: NDArray[np.float32]) -> None:
        """Write its numbers into ``out``: float32, 1-D, contiguous, ``count`` long.

        Threads may call it at once. Raises CaffeFormatError if the file has shrunk.
        """

    def pieces(self, out: NDArray[np.float32]) -> Iterator[Callable[[], None]]:
        """Yield the work of ``copy_to(out)`` in parts that threads may share."""
        ...


class LayerBlobs(Protocol):
    """The blobs that a file stores for one layer."""

    @property
    def name(self) -> str:
        """The layer's name."""

    @property
    def type(self) -> str:
        """Its type as the file says it: a V2 string, a V1 enum's name, or ""."""

    @property
    def blobs(self) -> Sequence[BlobRef]:
        """Its blobs in Caffe's order."""

    @property
    def indices(self) -> Sequence[int]:
        """Each blob's index in the layer, rising.

        Caffe's HDF5 files lack the blobs that the layer shares of another one
        (Net::ToHDF5); elsewhere these are 0, 1, 2...
        """
        ...


class WeightSource(Protocol):
    """An open weight file."""

    @property
    def file(self) -> str:
        """Its path, as it was given."""

    @property
    def layers(self) -> Sequence[LayerBlobs]:
        """Its layers in the file's order, with and without blobs."""

    def close(self) -> None:
        """Close it; its blobs cannot be copied any more."""

    def __enter__(self) -> WeightSource: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any: ...


def fits(stored: tuple[int, ...] | None, legacy: bool, count: int, shape: Sequence[int]) -> bool:
    """Return whether Caffe copies a stored blob into one of ``shape``.

    As Blob::ShapeEquals: an old 4-D shape matches any shape of up to four axes that
    is the same but for ones in front. A blob stored without a shape fits by its count,
    which Caffe does not allow but other writers rely on.
    """
    if stored is None:
        return count == prod(shape)
    if legacy:
        return len(shape) <= 4 and stored == (1,) * (4 - len(shape)) + tuple(shape)
    return stored == tuple(shape)


def open_weights(path: paths.PathLike) -> WeightSource:
    """Open the weight file at ``path``: binary or HDF5, told by its first bytes.

    Raises
    ------
    CaffeError
        For a file that is missing or may not be read, or HDF5 without h5py.
    CaffeFormatError
        For a file that is empty, damaged, or no weights, with the byte offset.
    """
    from bigdl_caffe.format.caffemodel import Caffemodel  # they in turn know this interface
    from bigdl_caffe.format.hdf5 import Hdf5Weights

    with paths.open_input(path) as file:
        magic = file.read(len(_HDF5_MAGIC))
    return Hdf5Weights(path) if magic == _HDF5_MAGIC else Caffemodel(path)
