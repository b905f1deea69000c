"""The files of a LevelDB database: logs of records, and tables of sorted entries.

The formats are those of LevelDB's doc/log_format.md and doc/table_format.md. Checksums are
not compared, as LevelDB does not by default either.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format import paths

TAG = 8
"""Bytes behind a key in a table: a number that grows with every write, over a kind in one byte."""

_LOG_BLOCK, _LOG_HEADER = 1 << 15, 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_FOOTER = 48
_MAGIC = 0xDB4775248B80FB57
_RAW, _SNAPPY = 0, 1
_MOST_SHRUNK = 64
"""Snappy packs at most 64 bytes into 3; what claims more than 64 times its size is damaged."""


class Entry(NamedTuple):
    """What was written once for a key; sorted, a key's latest entry comes first."""

    key: bytes
    age: int
    """Minus the tag: the larger, the older."""
    value: bytes

    @property
    def deletes(self) -> bool:
        """Whether the key was deleted here."""
        return not -self.age & 0xFF


class Reader:
    """Reads numbers and bytes one after another; raises IndexError where there are no more."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    @property
    def left(self) -> int:
        """Number of bytes that are left."""
        return len(self.data) - self.place

    def varint(self) -> int:
        """Read a number in protobuf's way."""
        value = shift = 0
        while True:
            byte = self.data[self.place]
            self.place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def take(self, size: int) -> bytes:
        """Read ``size`` bytes."""
        if size > self.left:
            raise IndexError(size)
        self.place += size
        return self.data[self.place - size : self.place]

    def bytes(self) -> bytes:
        """Read a length and as many bytes."""
        return self.take(self.varint())


@contextmanager
def within(path: Path) -> Iterator[None]:
    """Turn an IndexError about the contents of ``path`` into a `CaffeFormatError`."""
    try:
        yield
    except IndexError:
        raise CaffeFormatError("the file is damaged: it ends inside a value", str(path)) from None


def log_records(path: Path) -> Iterator[bytes]:
    """Yield the whole records of a log; one that its writer did not finish is left out."""
    data = paths.read_bytes(path)
    parts: list[bytes] = []
    place = 0
    while place + _LOG_HEADER <= len(data):
        room = _LOG_BLOCK - place % _LOG_BLOCK
        kind = data[place + 6]
        if room < _LOG_HEADER or not kind:  # the rest of a block is filled with zeros
            place += room
            continue
        start, size = place + _LOG_HEADER, int.from_bytes(data[place + 4 : place + 6], "little")
        place = start + size
        if place > len(data):
            return
        parts = [*(parts if kind in (_MIDDLE, _LAST) else []), data[start:place]]
        if kind in (_FULL, _LAST):
            yield b"".join(parts)


def table_entries(path: Path, start: bytes = b"") -> Iterator[Entry]:
    """Yield the entries of a table whose keys are not before ``start``."""
    with paths.open_input(path) as file, within(path):
        size = file.seek(0, 2)
        index = _index(file, size, path)
        # A key of the index is no smaller than the last one of its block.
        for _, handle in index[bisect_left(index, start, key=lambda item: item[0][:-TAG]) :]:
            for key, value in _entries(_block(file, Reader(handle), size, path)):
                if key[:-TAG] >= start:
                    yield Entry(key[:-TAG], -int.from_bytes(key[-TAG:], "little"), value)


def table_marks(path: Path) -> Iterator[bytes]:
    """Yield for each block of a table a key that is no smaller than its last one."""
    with paths.open_input(path) as file, within(path):
        index = _index(file, file.seek(0, 2), path)
    return (key[:-TAG] for key, _ in index)


def block_size(path: Path) -> int:
    """Return the size of a table's first block, unpacked."""
    with paths.open_input(path) as file, within(path):
        size = file.seek(0, 2)
        return len(_block(file, Reader(_index(file, size, path)[0][1]), size, path))


def _index(file: BinaryIO, size: int, path: Path) -> list[tuple[bytes, bytes]]:
    """Return the last key of each block of a table, and where the block is."""
    file.seek(max(0, size - _FOOTER))
    footer = Reader(file.read())
    if size < _FOOTER or int.from_bytes(footer.data[-8:], "little") != _MAGIC:
        raise CaffeFormatError("this is no table of LevelDB, or it is cut short", str(path))
    footer.varint(), footer.varint()  # the place of the index of filters
    return list(_entries(_block(file, footer, size, path)))


def _block(file: BinaryIO, handle: Reader, file_size: int, path: Path) -> bytes:
    """Return the block whose offset and size ``handle`` tells, unpacked."""
    offset, size = handle.varint(), handle.varint()
    if offset + size >= file_size:
        raise CaffeFormatError("a block lies beyond the end: the file is cut short", str(path))
    file.seek(offset)
    data, kind = file.read(size), file.read(1)[0]
    if kind == _RAW:
        return data
    if kind != _SNAPPY:
        raise CaffeFormatError(
            f"a block is packed in way {kind}, of which only Snappy (1) is read", str(path), offset
        )
    unpacked_size = Reader(data).varint()
    try:
        if unpacked_size > _MOST_SHRUNK * size:
            raise ValueError(f"it says that it holds {unpacked_size} bytes")
        unpacked: bytes = pa.decompress(data, unpacked_size, "snappy", asbytes=True)
    except (OSError, ValueError) as error:
        raise CaffeFormatError(f"a block is damaged: {error}", str(path), offset) from None
    return unpacked


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block; each key says how much of the last one it begins with."""
    restarts = int.from_bytes(block[-4:], "little")
    reader = Reader(block[: max(0, len(block) - 4 * (restarts + 1))])
    key = b""
    while reader.left:
        shared, fresh, size = reader.varint(), reader.varint(), reader.varint()
        key = key[:shared] + reader.take(fresh)
        yield key, reader.take(size)
