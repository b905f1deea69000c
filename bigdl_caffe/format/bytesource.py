"""Bytes at an offset, of a file or of a buffer, read straight to where they belong."""

from __future__ import annotations

import os
from typing import Protocol

from bigdl_caffe.errors import CaffeFormatError

_STEP = 1 << 30  # a single read takes less than 2 GiB on Linux and macOS


class ByteSource(Protocol):
    """Where a blob's bytes come from."""

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill ``out`` with the bytes from ``offset`` on. Threads may call it at once."""


class FileBytes:
    """An open local file.

    Reading goes around the memory map: mapped pages would count as this process's
    memory as long as they are cached, and double what loading a model takes.
    """

    def __init__(self, fd: int, file: str) -> None:
        self.fd, self.file = fd, file

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill ``out`` from ``offset``; a CaffeFormatError says that the file has shrunk."""
        done = 0
        while done < len(out):
            part = out[done : done + _STEP]
            read = os.preadv(self.fd, [part], offset + done)
            if read == 0:
                raise CaffeFormatError("the file shrank while it was read", self.file, offset)
            done += read


class BufferBytes:
    """Bytes in memory."""

    def __init__(self, buffer: memoryview) -> None:
        self.buffer = buffer

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill ``out`` from ``offset``."""
        out[:] = self.buffer[offset : offset + len(out)]
