"""One stored blob of a binary file: where its numbers lie, and their way into an array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.format.bytesource import ByteSource
from bigdl_caffe.format.source import fits
from bigdl_caffe.format.walk import FIXED32, FIXED64, LENGTH, VARINT, Field, Wire

MAX_AXES = 32
"""As kMaxBlobAxes of Caffe's blob.hpp."""

_CHUNK = 1 << 18  # numbers converted at a time
_PIECE = 1 << 22  # numbers that one thread copies at a time: 16 MB
DType = np.dtype[Any]

_FLOAT: DType = np.dtype("<f4")
_DOUBLE: DType = np.dtype("<f8")
_RAW: dict[int, DType] = {
    0: _DOUBLE,
    1: _FLOAT,
    2: np.dtype("<f2"),
    3: np.dtype("<i4"),
    4: np.dtype("<u4"),
}
"""NVIDIA's ``raw_data_type`` to the type of the bytes in ``raw_data``."""


class Run(NamedTuple):
    """``length`` numbers from ``offset`` on, each ``stride`` bytes after the one before."""

    offset: int
    length: int
    stride: int


class Axis(NamedTuple):
    """The size of an axis, and the byte at which the file gives it."""

    size: int
    at: int


@dataclass(frozen=True)
class WireBlob:
    """A blob of a binary file; see `source.BlobRef`.

    Attributes
    ----------
    shape : tuple of int or None
    legacy : bool
    count : int
    dtype : dtype
        Of the stored numbers, little-endian.
    runs : tuple of Run
        Where they lie, in their order.
    source : ByteSource
        What to read them from.
    """

    shape: tuple[int, ...] | None
    legacy: bool
    count: int
    dtype: DType
    runs: tuple[Run, ...]
    source: ByteSource = field(repr=False, compare=False)

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether Caffe would copy it into a blob of ``shape``."""
        return fits(self.shape, self.legacy, self.count, shape)

    def copy_to(self, out: NDArray[np.float32]) -> None:
        """Write the numbers into ``out``: float32, 1-D, contiguous, ``count`` long."""
        for work in self.pieces(out):
            work()

    def pieces(self, out: NDArray[np.float32]) -> Iterator[Callable[[], None]]:
        """Yield the work of ``copy_to(out)``, a bounded part of a run at a time."""
        done = 0
        for run in self.runs:
            for first in range(0, run.length, _PIECE):
                length = min(_PIECE, run.length - first)
                part = Run(run.offset + first * run.stride, length, run.stride)
                yield partial(self._copy_run, part, out[done : done + length])
                done += length

    def _copy_run(self, run: Run, out: NDArray[np.float32]) -> None:
        if self.dtype == out.dtype and run.stride == self.dtype.itemsize:
            self.source.read_into(run.offset, out.view(np.uint8).data)
        else:
            self._convert(run, out)

    def _convert(self, run: Run, out: NDArray[np.float32]) -> None:
        """Copy a run that is not plain float32, a bounded piece at a time."""
        buffer = bytearray(min(run.length, _CHUNK) * run.stride)
        for first in range(0, run.length, _CHUNK):
            part = out[first : first + _CHUNK]
            size = (len(part) - 1) * run.stride + self.dtype.itemsize
            self.source.read_into(run.offset + first * run.stride, memoryview(buffer)[:size])
            stored: NDArray[Any] = np.ndarray(len(part), self.dtype, buffer, strides=(run.stride,))
            with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as in Caffe
                part[...] = stored


class BlobParts:
    """What the fields of one BlobProto add up to."""

    def __init__(self, wire: Wire, what: str) -> None:
        self.wire, self.what = wire, what
        self.floats: list[Run] = []
        self.doubles: list[Run] = []
        self.dims: list[Axis] | None = None
        self.legacy: dict[int, Axis] = {}
        self.raw_type = 0
        self.raw: Field | None = None

    def take(self, f: Field) -> bool:
        """Note field ``f``, and return whether it is a run of numbers.

        Other wire types than the expected ones are other forks' fields of the same
        number, as 10 and 12 of ternary nets.
        """
        match f.number, f.wire:
            case 5, (2 | 5):
                self.floats.append(self.run(f, 4, FIXED32))
                return True
            case 8, (2 | 1):
                self.doubles.append(self.run(f, 8, FIXED64))
                return True
            case 7, 2:
                self.take_shape(f)
            case ((1 | 2 | 3 | 4), 0):
                self.legacy[f.number] = Axis(_signed(f.value, 32), f.at)
            case 10, 0:
                self.raw_type = f.value
            case 12, 2:
                self.raw = f
        return False

    def run(self, f: Field, width: int, fixed: int) -> Run:
        """Return where the numbers of a packed field, or of a run of single ones, lie."""
        if f.wire == fixed:
            return Run(f.start, f.repeats, width + 1)
        if (f.end - f.start) % width:
            raise self.wire.error(
                f"{self.what}: {f.end - f.start} bytes are no whole count of {width}-byte numbers",
                f.at,
            )
        return Run(f.start, (f.end - f.start) // width, width)

    def take_shape(self, outer: Field) -> None:
        """Add the dims of a BlobShape, packed or not."""
        self.dims = [] if self.dims is None else self.dims
        for f in self.wire.fields(outer.start, outer.end):
            if f.number != 1 or f.wire not in (VARINT, LENGTH):
                continue
            at = f.start
            while at < f.end:
                start = at
                value, at = self.wire.varint(at, f.end)
                self.dims.append(Axis(_signed(value, 64), start))
                if len(self.dims) > MAX_AXES:
                    raise self.wire.error(f"{self.what}: over {MAX_AXES} axes", f.at)

    def shape(self) -> tuple[int, ...] | None:
        """Return the shape; the old kind wins where both are there, as in Blob::FromProto.

        Caffe writes all four numbers of the old kind. A file with only some of them, as
        BigDL once wrote, has no shape.
        """
        axes = [self.legacy[i] for i in (1, 2, 3, 4)] if len(self.legacy) == 4 else self.dims
        for axis in axes or ():
            if axis.size < 0:
                raise self.wire.error(f"{self.what}: axis of negative size {axis.size}", axis.at)
        return None if axes is None else tuple(axis.size for axis in axes)

    def numbers(self) -> tuple[DType, list[Run]]:
        """Return the type and the runs of the numbers: doubles first, then floats, then raw."""
        if self.doubles:
            return _DOUBLE, self.doubles
        if self.floats or self.raw is None or self.raw_type not in _RAW:
            return _FLOAT, self.floats
        dtype = _RAW[self.raw_type]
        return dtype, [self.run(self.raw, dtype.itemsize, FIXED32)]


def _signed(value: int, bits: int) -> int:
    """Return the low ``bits`` of ``value`` as a signed integer."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
