"""Databases of records as Caffe's tools write them: LMDB and LevelDB.

A database is opened for reading only, is never locked, and may be read in parts by several
processes at once: see `key_ranges`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from bigdl_caffe.data import leveldb, lmdb
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import PathLike, local_path


class Backend(Protocol):
    """A module that reads one kind of database."""

    def items(
        self, folder: Path, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values in the order of keys."""

    def keys(self, folder: Path) -> Iterator[bytes]:
        """Yield all keys in order."""

    def marks(self, folder: Path) -> Iterator[bytes]:
        """Yield keys that lie evenly in the database, in order, and little is read for."""


BACKENDS: dict[str, Backend] = {"LMDB": lmdb, "LEVELDB": leveldb}
"""data_param's backend → what reads such a database."""

_MARKS = 1 << 16
"""Keys that are remembered to part a database: it may have more than memory holds."""

_SIGNS = {"LMDB": "data.mdb", "LEVELDB": "CURRENT"}
"""The file by which a database's folder is known."""


def items(
    path: PathLike, backend: str | None = None, start: bytes = b"", stop: bytes | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Yield a database's keys and values in the order of keys, as Caffe's cursor does.

    Parameters
    ----------
    path : path or URI
        The database, on a local file system.
    backend : str, optional
        "LMDB" or "LEVELDB"; by default whichever the folder holds.
    start, stop : bytes, optional
        The keys from ``start`` up to, and without, ``stop``.

    Raises
    ------
    CaffeError
        For a database that is missing, remote, of the other kind or, as `CaffeFormatError`,
        damaged.
    """
    folder, reader = _find(path, backend)
    return reader.items(folder, start, stop)


def key_at(path: PathLike, place: int, backend: str | None = None) -> bytes:
    """Return the key at a 0-based ``place``, where after the last the first comes again.

    Of an empty database b"". Parameters and errors as of `items`.
    """
    folder, reader = _find(path, backend)
    found = 0
    for found, key in enumerate(reader.keys(folder), 1):
        if found > place:
            return key
    return key_at(path, place % found, backend) if found else b""


def key_ranges(
    path: PathLike, parts: int, backend: str | None = None
) -> list[tuple[bytes, bytes | None]]:
    """Return the ``start`` and ``stop`` of up to ``parts`` parts of a database, of like size.

    Keys are read to find them, and no values. Parameters and errors as of `items`.
    """
    folder, reader = _find(path, backend)
    keys = _thinned(reader.marks(folder), max(_MARKS, 2 * parts))
    parts = min(parts, len(keys))
    firsts = [b"", *(keys[len(keys) * i // parts] for i in range(1, parts))][: len(keys)]
    return list(zip(firsts, [*firsts[1:], None][: len(keys)], strict=True))


def _thinned(keys: Iterator[bytes], most: int) -> list[bytes]:
    """Return ``keys``, or every second, fourth, ... of them so that there are at most ``most``."""
    kept: list[bytes] = []
    step = 1
    for place, key in enumerate(keys):
        if place % step == 0:
            kept.append(key)
        if len(kept) > most:
            kept, step = kept[::2], 2 * step
    return kept


def _find(path: PathLike, wanted: str | None) -> tuple[Path, Backend]:
    """Return the database's local path and what reads its kind, which has to be ``wanted``."""
    folder = local_path(path)
    if folder is None:
        raise CaffeError(f"databases are read on local disks only: copy {path} to one")
    if not os.path.exists(folder):  # which is False, not an error, for a name that is too long
        raise CaffeError(f"there is no database {folder}: check source and what it is relative to")
    found = next((kind for kind, sign in _SIGNS.items() if (folder / sign).exists()), None)
    found = "LMDB" if folder.is_file() else found
    if found is None:
        signs = " or ".join(f"{sign} ({kind})" for kind, sign in _SIGNS.items())
        raise CaffeError(f"{folder} holds no database: there is no {signs} in it")
    if wanted not in (None, found):
        raise CaffeError(f"{folder} is a database of kind {found}: set backend: {found}")
    return folder, BACKENDS[found]
