"""A folder of this user on this host, in which its processes share files that each made once."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import explained

T = TypeVar("T")

_log = logging.getLogger(__name__)

KEPT = 8
"""Files of one kind that `made_once` keeps: those used last."""

_PART = ".part"
STALE = 3600
"""Seconds after which what is still in the making was left by a process that was killed."""


class HostFolderError(CaffeError):
    """The folder that a host's processes would share cannot be used."""


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

    Raises
    ------
    HostFolderError
        There is no folder for it, or nothing can be put there.
    """
    folder = own_folder() / kind
    with _usable(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    with suppress(FileNotFoundError):
        os.utime(path)  # it was used: there is no need to wait for who makes another
        return path
    with locked(folder):
        if not path.exists():
            with tempfile.TemporaryDirectory(suffix=_PART, dir=folder) as part:
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


def told_once(
    kind: str, name: str, find_out: Callable[[], str], check: Callable[[str], object] = str
) -> str:
    """Return a text that the first process here finds out; each for itself on a full disk.

    What ``find_out`` raises is told to nobody else: the next process tries again.

    Parameters
    ----------
    kind, name
        As for `made_once`.
    find_out : callable
        Returns the text.
    check : callable
        Raises what it likes for a text that is damaged, which is then found out anew.
    """
    found: list[str] = []

    def write(path: Path) -> None:
        found.append(find_out())
        path.write_text(found[-1], encoding="utf-8")

    def read(path: Path) -> str:
        text = path.read_text(encoding="utf-8")
        check(text)
        return text

    try:
        return read_once(kind, name, write, read)
    except (OSError, HostFolderError) as error:
        each_for_itself(error)
        return found[-1] if found else find_out()


def each_for_itself(error: Exception) -> None:
    """Warn, once a process, that nothing is shared because of ``error``."""
    _warn(str(error))


@cache
def _warn(reason: str) -> None:
    _log.warning("each process makes for itself what those of a host would share: %s", reason)


def _tidy(folder: Path) -> None:
    """Remove what was not used for longest; who has it open or mapped keeps it."""
    there = [path for path in folder.iterdir() if path.name != "lock"]
    made = sorted((path for path in there if path.suffix != _PART), key=age)
    left = [path for path in there if path.suffix == _PART and age(path) > STALE]
    for path in (*made[KEPT:], *left):
        _remove(path)


def age(path: Path) -> float:
    """Return the seconds since ``path`` was used; 0 if another process has just removed it."""
    with suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return 0.0


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
    with _usable(folder):
        lock = (folder / "lock").open("wb")
    with lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def own_folder() -> Path:
    """Return a folder for this user alone, in the executor's local folder.

    Raises
    ------
    HostFolderError
        It cannot be made, or someone else owns the folder or can write to it.
    """
    root = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0] or tempfile.gettempdir()
    folder = Path(root) / f"bigdl-caffe-{os.getuid()}"
    with _usable(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise HostFolderError(
            f"{folder} belongs to someone else or is open to others: "
            "remove it, or point spark.local.dir elsewhere"
        )
    return folder


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        with explained(folder):
            yield
    except CaffeError as error:
        raise HostFolderError(*error.problems) from error
