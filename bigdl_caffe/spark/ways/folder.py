"""A worker's own folder on its executor's disk: fetched files, and notes of what was checked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.format.host_folder import STALE, age, locked, own_folder
from bigdl_caffe.spark.ways.parcel import Parcel, compare, missing

KEPT = 4
"""Models that an executor remembers to have checked, and whose files it keeps."""

_DIGEST = 64  # characters of a SHA-256


def checked(path: Path, parcel: Parcel) -> Path:
    """Return ``path`` if it holds ``parcel``: every byte is read once per executor.

    Raises
    ------
    CaffeFormatError
        It is not there, or its bytes are others.
    """
    folder = own_folder()
    if not _note(folder, path, parcel).exists():
        with locked(folder):
            _check(folder, path, parcel)
    return path


@contextmanager
def fetched(parcel: Parcel, fetch: Callable[[Path], None]) -> Iterator[Path]:
    """Give the file of ``parcel`` in the executor's own folder, fetching it if need be.

    The path is good until the context ends: what was mapped from it stays.

    Parameters
    ----------
    fetch : callable
        Writes the file that it is given the path of.

    Raises
    ------
    CaffeError
        The disk is full, say.
    CaffeFormatError
        What was fetched is not what was sent.
    """
    folder = own_folder()
    path = folder / f"{parcel.digest}.arrow"
    with locked(folder):
        try:
            _check(folder, path, parcel)
        except CaffeFormatError:  # it is not there, or has gone bad
            _fetch(path, parcel, fetch)
            _remember(folder, path, parcel)
        yield path


def _fetch(path: Path, parcel: Parcel, fetch: Callable[[Path], None]) -> None:
    """Have ``path`` written, whole or not at all, for this user alone."""
    try:
        handle, name = tempfile.mkstemp(suffix=".part", dir=path.parent)
        os.close(handle)
        with _gone_afterwards(Path(name)) as part:
            fetch(part)
            compare(part, parcel)
            os.replace(part, path)
    except OSError as error:
        raise CaffeError(
            f"cannot keep a model of {parcel.size / 1e6:.0f} MB in {path.parent} "
            f"({error.strerror or error}): make room there, or point spark.local.dir elsewhere"
        ) from error


@contextmanager
def _gone_afterwards(path: Path) -> Iterator[Path]:
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _check(folder: Path, path: Path, parcel: Parcel) -> None:
    """Compare ``path`` to ``parcel``, unless a note says that this was done."""
    if not _note(folder, path, parcel).exists():
        compare(path, parcel)
    _remember(folder, path, parcel)


def _remember(folder: Path, path: Path, parcel: Parcel) -> None:
    """Note that ``path`` holds ``parcel``, and was used now."""
    with suppress(OSError):  # a full disk: without the note, the next worker compares again
        _note(folder, path, parcel).touch(mode=0o600)
    _tidy(folder)


def _note(folder: Path, path: Path, parcel: Parcel) -> Path:
    """Return the file that notes that ``path``, as it is now, holds ``parcel``.

    The time of the last change is what no user can set back: a file that was written to
    after it was checked has another.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise missing(path, error) from error
    marks = (found.st_dev, found.st_ino, found.st_ctime_ns, found.st_size, parcel.offset)
    return folder / "-".join([parcel.digest, *(f"{mark:x}" for mark in marks)])


def _tidy(folder: Path) -> None:
    """Forget all but the models last used, and drop what killed workers left."""
    notes = sorted(folder.glob("?" * _DIGEST + "-*"), key=age)
    for note in notes[KEPT:]:
        (folder / f"{note.name[:_DIGEST]}.arrow").unlink(missing_ok=True)
        note.unlink(missing_ok=True)
    for part in folder.glob("*.part"):
        if age(part) > STALE:
            part.unlink(missing_ok=True)
