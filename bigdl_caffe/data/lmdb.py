"""LMDB databases, by the lmdb package; read-only and without its lock file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.format import paths

_META = np.dtype(
    {
        "names": ["magic", "page_size", "last_page", "transaction"],
        "formats": ["<u4", "<u4", "<u8", "<u8"],
        "offsets": [16, 40, 136, 144],
    }
)
"""What counts here of a meta page, with two of which a file begins (mdb.c, MDB_meta)."""

_MAGIC = 0xBEEFC0DE

_open: dict[tuple[int, int], Any] = {}
"""File → its environment, for as long as the process lives: it costs addresses, not memory."""

_opening = Lock()


def items(
    folder: Path, start: bytes = b"", stop: bytes | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values in the order of keys.

    Parameters
    ----------
    folder : Path
        The database: a folder with data.mdb, or the file itself.
    start, stop : bytes, optional
        The keys from ``start`` up to, and without, ``stop``.

    Raises
    ------
    CaffeError
        For files that are missing or, as `CaffeFormatError`, cut short or damaged; where the
        lmdb package is not installed.
    """
    with _cursor(folder) as cursor:
        if cursor.set_range(start):
            for key, value in cursor.iternext():
                if stop is not None and key >= stop:
                    return
                yield key, value


def keys(folder: Path) -> Iterator[bytes]:
    """Yield the keys in order, which leaves large values unread. Raises as `items`."""
    with _cursor(folder) as cursor:
        yield from cursor.iternext(values=False)


marks = keys


@contextmanager
def _cursor(folder: Path) -> Iterator[Any]:
    lmdb = _lmdb(folder)
    file = folder / "data.mdb" if folder.is_dir() else folder
    try:
        with _environment(lmdb, file).begin() as transaction, transaction.cursor() as cursor:
            yield cursor
    except lmdb.Error as error:
        raise CaffeFormatError(f"the database cannot be read: {error}", str(file)) from None


def _lmdb(folder: Path) -> Any:
    try:
        import lmdb
    except ImportError:
        raise CaffeError(
            f"reading {folder}, an LMDB database, needs lmdb: pip install bigdl-caffe[lmdb]"
        ) from None
    return lmdb


def _environment(lmdb: Any, file: Path) -> Any:
    """Return ``file`` opened; a process may open it once only, so all its readers share it."""
    _check_whole(file)
    with _opening:
        found = file.stat()
        key = (found.st_dev, found.st_ino)
        if key not in _open:
            options = {"subdir": False, "readonly": True, "lock": False, "create": False}
            _open[key] = lmdb.open(str(file), **options)
        return _open[key]


def _check_whole(file: Path) -> None:
    """Raise where pages are missing at the end: to read them in memory would end the process."""
    with paths.open_input(file) as opened:
        size = opened.seek(0, 2)
        first = _meta(opened, 0)
        if first is None:
            raise CaffeFormatError("this is no LMDB database", str(file))
        newest = max(
            (m for m in (first, _meta(opened, int(first["page_size"]))) if m is not None),
            key=lambda meta: int(meta["transaction"]),
        )
    whole = (int(newest["last_page"]) + 1) * int(first["page_size"])
    if size < whole:
        raise CaffeFormatError(
            f"the file is cut short: it has {size} bytes of {whole}; copy it again (mdb_copy -c "
            "makes a whole one)",
            str(file),
        )


def _meta(file: Any, place: int) -> Any:
    file.seek(place)
    head = file.read(_META.itemsize)
    if len(head) < _META.itemsize:
        return None
    meta = np.frombuffer(head, _META)[0]
    return meta if meta["magic"] == _MAGIC else None
