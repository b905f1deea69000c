"""Several local files replaced at one moment, which one rename cannot do.

POSIX renames one name at a time, and a process may be killed between two renames. One
rename can, however, turn a symbolic link round, and any number of names may lead through
that link. With the files in place, and a hidden folder beside the first of them::

    .net.prototxt.saving/old/0, 1, ...     hard links to what is there now
    .net.prototxt.saving/new/0, 1, ...     what is to be there
    .net.prototxt.saving/now -> old        the link that is turned round

each name is replaced by a link to ``.../now/0`` and so on, which changes nothing that a
reader sees; ``now`` is replaced by a link to ``new``, by one rename: the moment; and each
name is replaced by the file it leads to, which again changes nothing that a reader sees.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

SUFFIX = ".saving"
_MOST_LINKS = 40  # what Linux follows
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@contextmanager
def replacing(targets: Sequence[Path]) -> Iterator[list[Path]]:
    """Give a path for each target to write its new contents to; then put all in place.

    Whoever opens the targets finds at any moment what was there before in all of them, or
    what is new in all of them, also when this process is killed: links that it leaves behind
    lead to the one or to the other, and the next call for the same first target makes plain
    files of them. Calls for the same first target wait for each other. What is replaced goes
    only after its successor is on the disk. An exception leaves what was there. On a file
    system without links, the targets are renamed one by one.

    Parameters
    ----------
    targets : sequence of Path
        Symbolic links among them are followed, and stay.

    Raises
    ------
    OSError
        For folders that are missing or may not be written, and a full disk.
    """
    places = [followed(target) for target in targets]
    hub = places[0].with_name(f".{places[0].name}{SUFFIX}")
    with _locked(hub):
        new = [_side(hub, "new", i, place) for i, place in enumerate(places)]
        try:
            yield new
            for part, place in zip(new, places, strict=True):
                _make_ready(part, place)
            if _lay_out(hub, places):
                _turn(hub, places)
            else:
                for part, place in zip(new, places, strict=True):
                    os.replace(part, place)
        finally:
            _settle(hub)
            for part in new:
                part.unlink(missing_ok=True)


def followed(path: Path) -> Path:
    """Return where ``path`` leads to, but for a link that a killed process has left."""
    for _ in range(_MOST_LINKS):
        if not path.is_symlink() or f"{SUFFIX}/now/" in os.readlink(path):
            break
        path = path.parent / os.readlink(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.parent.resolve(strict=True) / path.name


@contextmanager
def _locked(hub: Path) -> Iterator[None]:
    """Hold the folder ``hub`` alone, after putting in order what a killed process left there.

    Only the lock tells a killed process from one at work.
    """
    handle = _lock(hub)
    try:
        _settle(hub)
        for folder in ("old", "new", "at"):
            (hub / folder).mkdir()
        yield
    finally:
        _settle(hub)
        (hub / "lock").unlink()
        with suppress(OSError):  # somebody who waits has just put a lock of his own there
            hub.rmdir()
        os.close(handle)


def _lock(hub: Path) -> int:
    """Return an open lock in the folder ``hub``, waiting for it; the folder is made if need be."""
    while True:
        hub.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # whoever held it has just removed the folder
            handle = os.open(hub / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), (hub / "lock").stat()):
                    return handle
            os.close(handle)


def _side(hub: Path, kind: str, index: int, place: Path) -> Path:
    """Return where the old or new file for ``place`` lies: beside it, so that it can be renamed."""
    if place.parent == hub.parent:
        return hub / kind / str(index)
    return place.with_name(f".{place.name}{hub.name}.{kind}")


def _make_ready(part: Path, place: Path) -> None:
    """Give ``part`` what it needs before it takes the ``place``.

    What it replaces, if anything, must not go before it is on the disk, and has a mode. A file
    that replaces nothing is not waited for; but ext4 would wait, when it takes the place of a
    link, unless its blocks are chosen already.
    """
    if place.exists():
        part.chmod(place.stat().st_mode & 0o7777)
    with part.open("rb+") as file:
        if place.exists():
            os.fsync(file.fileno())
        elif hasattr(os, "posix_fallocate"):  # not on every system
            with suppress(OSError):  # nor on every file system
                os.posix_fallocate(file.fileno(), 0, part.stat().st_size)


def _lay_out(hub: Path, places: Sequence[Path]) -> bool:
    """Fill ``hub`` with what the links need; return whether the file system has links."""
    try:
        for i, place in enumerate(places):
            _link(place, hub / "at" / str(i))
            for kind in ("old", "new"):
                side, entry = _side(hub, kind, i, place), hub / kind / str(i)
                if side != entry:
                    _link(side, entry)
            if place.exists():
                os.link(os.path.realpath(place), _side(hub, "old", i, place))
        _link(hub / "old", hub / "now")
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True


def _turn(hub: Path, places: Sequence[Path]) -> None:
    """Lead every place through ``now``, and turn that from the old files to the new."""
    for i, place in enumerate(places):
        _link(hub / "now" / str(i), place)
    _link(hub / "new", hub / "now")


def _link(target: Path, name: Path) -> None:
    """Make ``name`` a symbolic link to ``target``, in the place of what it was."""
    made = _unnamed(name)
    made.unlink(missing_ok=True)
    os.symlink(os.path.relpath(target, name.parent), made)
    os.replace(made, name)


def _unnamed(name: Path) -> Path:
    return name.with_name(f".{name.name}{SUFFIX}.link")


def _settle(hub: Path) -> None:
    """Make every place in ``hub`` the plain file that it leads to, and empty ``hub``."""
    laid = {at: Path(os.path.normpath(at.parent / os.readlink(at))) for at in hub.glob("at/*")}
    for at, place in laid.items():
        now = hub / "now" / at.name
        if place.is_symlink() and os.readlink(place) == os.path.relpath(now, place.parent):
            _make_plain(place)
    for at, place in laid.items():  # only now: a reader may be on its way through the links
        for kind in ("old", "new"):
            (hub / kind / at.name).resolve().unlink(missing_ok=True)
        _unnamed(place).unlink(missing_ok=True)
    for folder in ("old", "new", "at"):
        shutil.rmtree(hub / folder, ignore_errors=True)
    (hub / "now").unlink(missing_ok=True)


def _make_plain(place: Path) -> None:
    """Put the file that the link ``place`` leads to in its stead, or nothing if there is none."""
    if not place.exists():
        place.unlink()
        return
    real, made = place.resolve(), _unnamed(place)
    made.unlink(missing_ok=True)
    try:
        os.link(real, made)
    except OSError:  # no hard links here: a reader on its way through the links finds no file
        made = real
    os.replace(made, place)
