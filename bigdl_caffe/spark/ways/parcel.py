"""What all ways share: what was sent, and whether it is what arrived."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from bigdl_caffe.errors import CaffeFormatError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bigdl_caffe.bundle import Bundle

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Parcel:
    """What a worker must find.

    Attributes
    ----------
    content_hash : str
        Of the model.
    size, offset : int
        Bytes of the Arrow file, and the byte of the carrying file at which it starts.
    digest : str
        SHA-256 (hex) of the Arrow file.
    """

    content_hash: str
    size: int
    digest: str
    offset: int = 0


@dataclass(frozen=True, eq=False)
class Shipped:
    """A bundle under way: which way, what it is, and the broadcast or file name it comes by."""

    way: str
    parcel: Parcel
    carrier: Any


@dataclass(frozen=True)
class Way:
    """Both ends of one way, what is to be done when it is over, and its meaning for the log."""

    means: str
    send: Callable[[SparkSession, Bundle], Shipped]
    receive: Callable[[Shipped], AbstractContextManager[Path]]
    free: Callable[[Shipped], None]


def nothing_to_free(_: Shipped) -> None:
    """Leave what a way keeps on purpose, or has no means to take back."""


class Sealed(io.RawIOBase):
    """A file that is told by its size and digest while it is written to ``target``.

    SHA-256 because processors have instructions for it: of hashlib's it is the quickest that
    is still safe (1.8 GB/s where BLAKE2b makes 0.8).
    """

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._sum = hashlib.sha256()
        self._size = 0

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Write ``data``, and count it."""
        self._sum.update(data)
        self._size += len(data)
        self._target.write(data)
        return len(data)

    def parcel(self, content_hash: str, offset: int = 0) -> Parcel:
        """Return what has been written so far."""
        return Parcel(content_hash, self._size, self._sum.hexdigest(), offset)


def compare(path: Path, parcel: Parcel) -> None:
    """Read the file at ``path``, through no mapping, and raise unless it holds ``parcel``.

    Raises
    ------
    CaffeFormatError
        It is not there, or its bytes are others.
    """
    try:
        size = path.stat().st_size - parcel.offset
        found = _digest(path, parcel.offset) if size == parcel.size else ""
    except OSError as error:
        raise missing(path, error) from error
    if found != parcel.digest:
        what = f"{size} bytes" if not found else f"bytes of SHA-256 {found}"
        sent = f"{parcel.size} bytes" if not found else f"SHA-256 {parcel.digest}"
        raise CaffeFormatError(
            f"holds {what} where a model of {sent} was sent: call the model's release() and run "
            "the job again; if it recurs, the disk or the network is bad",
            str(path),
            parcel.offset,
        )


def missing(path: Path, error: OSError) -> CaffeFormatError:
    """Return the error for a model whose file is gone from the executor."""
    return CaffeFormatError(
        f"the model is not there ({error.strerror or error}): if something cleans Spark's local "
        "folders, keep it from that; to send the model again, call its release() and run the job "
        "again",
        str(path),
    )


def _digest(path: Path, offset: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(offset)
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
