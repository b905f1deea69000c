"""Blobs that are in memory already, as a weight source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.format.source import fits


@dataclass(frozen=True)
class ArrayBlob:
    """One array; see `source.BlobRef`."""

    array: NDArray[Any]
    legacy: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.array.shape

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return self.array.size

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether it has ``shape``."""
        return fits(self.shape, self.legacy, self.count, shape)

    def copy_to(self, out: NDArray[np.float32]) -> None:
        """Write its numbers into ``out``."""
        out[:] = self.array.reshape(-1)

    def pieces(self, out: NDArray[np.float32]) -> Iterator[Callable[[], None]]:
        """Yield the one piece of work that copies it."""
        yield partial(self.copy_to, out)


@dataclass(frozen=True)
class ArrayLayer:
    """The arrays of one layer; see `source.LayerBlobs`."""

    name: str
    blobs: tuple[ArrayBlob, ...]
    type: str = ""

    @property
    def indices(self) -> range:
        """Each blob's index."""
        return range(len(self.blobs))


class ArrayWeights:
    """Arrays by layer; see `source.WeightSource`.

    Parameters
    ----------
    arrays : mapping of str to sequence of ndarray
        Layer → its blobs in Caffe's order and shapes.
    file : str
        What errors call it.
    """

    def __init__(self, arrays: Mapping[str, Sequence[NDArray[Any]]], file: str = "arrays") -> None:
        self.file = file
        self.layers = tuple(
            ArrayLayer(name, tuple(map(ArrayBlob, blobs))) for name, blobs in arrays.items()
        )

    def close(self) -> None:
        """Do nothing: the arrays are the caller's."""

    def __enter__(self) -> ArrayWeights:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
