"""A folder of this user on this host, in which its processes share files that each made once."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import explained

T = TypeVar("T")

_log = logging.getLogger(__name__)

KEPT = 8
"""Files of one kind that `made_once` keeps: those used last."""


def made_once(kind: str, name: str, make: Callable[[Path], None]) -> Path:
    """Return the file, or folder, ``name`` of a ``kind``, which the first process here makes.

    It appears whole or not at all; the others wait for it.

    Parameters
    ----------
    kind : str
        The folder within `own_folder`.
    name : str
        Tells all that it depends on: what is there under this name is taken as it is.
    make : callable
        Writes it at the path that it is given.
    """
    folder = own_folder() / kind
    with explained(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    with suppress(FileNotFoundError):
        os.utime(path)  # it was used: there is no need to wait for who makes another
        return path
    with locked(folder):
        if not path.exists():
            with tempfile.TemporaryDirectory(suffix=".part", dir=folder) as part:
                make(Path(part) / name)
                os.replace(Path(part) / name, path)
        os.utime(path)
        _tidy(folder)
    return path


def read_once(kind: str, name: str, make: Callable[[Path], None], read: Callable[[Path], T]) -> T:
    """Return what ``read`` makes of the file of `made_once`; one that is damaged is made anew.

    Parameters
    ----------
    kind, name, make
        As for `made_once`.
    read : callable
        Raises what it likes for a damaged file, or folder.
    """
    path = made_once(kind, name, make)
    try:
        return read(path)
    except Exception as error:  # of the linker, of torch, of another's engine, of the file system
        _log.warning("%s is damaged (%s): it is made anew", path, error)
    _remove(path)
    return read(made_once(kind, name, make))


def told_once(kind: str, name: str, find_out: Callable[[], str]) -> str:
    """Return a text that the first process here finds out; each for itself on a full disk.

    Parameters
    ----------
    kind, name
        As for `made_once`.
    find_out : callable
        Returns the text.
    """
    found: list[str] = []

    def write(path: Path) -> None:
        found.append(find_out())
        path.write_text(found[0], encoding="utf-8")

    try:
        return made_once(kind, name, write).read_text(encoding="utf-8")
    except OSError as error:
        _log.warning("each process finds out for itself what '%s' would tell: %s", kind, error)
        return found[0] if found else find_out()


def _tidy(folder: Path) -> None:
    """Remove what was not used for longest; who has it open or mapped keeps it."""
    made = [path for path in folder.iterdir() if path.name != "lock"]
    for path in sorted(made, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep the host's other processes out, where the file system has locks.

    A lock saves the others from doing the same work again. What is written is safe without:
    it has a name of its own until it is whole.
    """
    with explained(folder):
        lock = (folder / "lock").open("wb")
    with lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def own_folder() -> Path:
    """Return a folder for this user alone, in the executor's local folder.

    Raises
    ------
    CaffeError
        Someone else owns the folder or can write to it.
    """
    root = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0] or tempfile.gettempdir()
    folder = Path(root) / f"bigdl-caffe-{os.getuid()}"
    with explained(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise CaffeError(
            f"{folder} belongs to someone else or is open to others: "
            "remove it, or point spark.local.dir elsewhere"
        )
    return folder
