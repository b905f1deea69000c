"""Files named by plain paths or by URIs: file, hdfs, s3, gs, abfs, dbfs and more.

Local files go through Python; other schemes through pyarrow.fs where it knows them and has
what it needs, else through what `also_through` was told of, else through fsspec where that
is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote
from uuid import uuid4

from bigdl_caffe.errors import CaffeError

PathLike = str | os.PathLike[str]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/.*)", re.DOTALL)  # one letter is a drive
_ALIASES = {"s3a": "s3", "s3n": "s3"}
_others: list[Any] = []


def also_through(system: Any) -> None:
    """Let ``system`` reach what pyarrow cannot: it is asked as pyarrow's FileSystem, by URIs."""
    _others[:] = [system]


def local_path(path: PathLike) -> Path | None:
    """Return the local path that ``path`` names, or None for one on another file system.

    ``file:`` URIs, and ``dbfs:`` ones where Databricks mounts them at /dbfs, are local.
    """
    text = os.fspath(path)
    match = _SCHEME.match(text)
    if match is None:
        return Path(text)
    scheme, rest = match[1].lower(), match[2]
    if scheme == "file":
        return Path(unquote(re.sub(r"^//(localhost)?(?=/)", "", rest)))
    if scheme == "dbfs":
        return Path("/dbfs") / rest.lstrip("/")
    return None


def open_input(path: PathLike) -> BinaryIO:
    """Open ``path`` for reading bytes.

    Raises
    ------
    CaffeError
        For a file that is missing (with a near name of the same folder), a folder, a
        file that may not be read, and a scheme that nothing installed knows.
    """
    local = local_path(path)
    if "\0" in os.fspath(path):
        raise CaffeError(f"the path {os.fspath(path)!r} has a byte 0 in it: no file is named so")
    with explained(path):
        if local is not None:
            return local.open("rb")
        system, inner = _remote(os.fspath(path))
        opened: BinaryIO = system.open_input_file(inner)
        return opened


def read_bytes(path: PathLike) -> bytes:
    """Return the whole of the file at ``path``. Raises as `open_input`."""
    with open_input(path) as file, explained(path):
        return file.read()


def check_finite(path: PathLike) -> None:
    """Raise for a ``path``, named by a net and not by the caller, that may never come to an end.

    Raises
    ------
    CaffeError
        For a local device or pipe, as /dev/zero.
    """
    local = local_path(path)
    # os.path says no, where pathlib raises, for a name that is too long
    if local is None or not os.path.exists(local):
        return
    if not (local.is_file() or local.is_dir()):
        raise CaffeError(f"'{os.fspath(path)}' is a device or a pipe: give a file or a folder")


def exists(path: PathLike) -> bool:
    """Return whether there is a file or folder at ``path``. Raises for an unknown scheme."""
    local = local_path(path)
    if local is not None:
        return os.path.exists(local)
    with explained(path):
        system, inner = _remote(os.fspath(path))
        return bool(system.get_file_info(inner).type.name != "NotFound")


def file_names(folder: PathLike) -> list[str]:
    """Return the names of the files in ``folder``, none where there is no such folder.

    Raises
    ------
    CaffeError
        For a folder that may not be read, and a scheme that nothing installed knows.
    """
    local = local_path(folder)
    with explained(folder):
        if local is not None:
            return [each.name for each in local.iterdir()] if local.is_dir() else []
        from pyarrow import fs  # not needed, and slow to import, for local files

        system, inner = _remote(os.fspath(folder))
        found = system.get_file_info(fs.FileSelector(inner, allow_not_found=True))
        return [info.base_name for info in found if info.is_file]


def delete(path: PathLike) -> None:
    """Delete the file at ``path``. Raises as `open_input`."""
    local = local_path(path)
    with explained(path):
        if local is not None:
            local.unlink()
        else:
            system, inner = _remote(os.fspath(path))
            system.delete_file(inner)


@contextmanager
def local_copy(path: PathLike) -> Iterator[Path]:
    """Give the file at ``path`` as a local one: itself, or a copy that goes away after use.

    Raises as `open_input`.
    """
    local = local_path(path)
    if local is not None:
        open_input(path).close()
        yield local
        return
    with tempfile.TemporaryDirectory(prefix="bigdl-caffe-") as folder:
        copy = Path(folder) / os.path.basename(os.fspath(path))
        with open_input(path) as source, copy.open("wb") as target, explained(path):
            shutil.copyfileobj(source, target, 1 << 20)
        yield copy


@contextmanager
def atomic_write(path: PathLike) -> Iterator[BinaryIO]:
    """Write the file at ``path`` whole or not at all.

    A local file is written beside its place, synced to disk and renamed; a remote one
    is written to a local file first, uploaded under another name, and moved. An exception
    leaves what was there.

    Raises
    ------
    CaffeError
        For a folder that is missing, or that may not be written.
    """
    local = local_path(path)
    folder = tempfile.gettempdir() if local is None else local.resolve().parent
    with explained(path):
        handle, part = tempfile.mkstemp(prefix=".bigdl-caffe-", suffix=".part", dir=folder)
    try:
        with os.fdopen(handle, "w+b") as file:  # HDF5 reads what it has written
            yield file
            file.flush()
            os.fsync(file.fileno())
        if local is None:
            upload_together({os.fspath(path): part})
            return
        with explained(path):
            os.chmod(part, _new_file_mode(local))
            os.replace(part, local.resolve())
    finally:
        Path(part).unlink(missing_ok=True)


def _new_file_mode(path: Path) -> int:
    """Return the mode a file at ``path`` has, or gets as a new one."""
    if path.exists():
        return path.stat().st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _remote(uri: str) -> tuple[Any, str]:
    """Return the pyarrow file system behind ``uri`` and the path in it."""
    from pyarrow import fs  # not needed, and slow to import, for local files

    scheme, rest = uri.split(":", 1)
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    try:
        system, inner = fs.FileSystem.from_uri(f"{scheme}:{rest}")
        return system, inner
    except (ValueError, NotImplementedError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]  # without libjvm, it tells of 80 places
    for system in _others:
        if system.knows(uri):
            return system, uri
    try:
        import fsspec

        system, inner = fsspec.core.url_to_fs(f"{scheme}:{rest}")
    except (ImportError, ValueError):
        raise CaffeError(
            f"cannot open {uri}: {reason}; copy the file to a local path, or install fsspec "
            f"with the package that gives it '{scheme}:'"
        ) from None
    return fs.PyFileSystem(fs.FSSpecHandler(system)), inner


def _upload(part: PathLike, uri: str, suffix: str) -> tuple[Any, str]:
    """Copy a local file to ``uri`` with ``suffix`` behind it; return its system and path there."""
    system, inner = _remote(uri)
    with open(part, "rb") as source, system.open_output_stream(inner + suffix) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return system, inner


def upload_together(files: Mapping[str, PathLike]) -> None:
    """Copy local files to URIs: all of them under other names, then each is moved to its own.

    Parameters
    ----------
    files : mapping of str to path
        URI → the file to be there.

    Raises
    ------
    CaffeError
        For a file that could not be copied; none has been moved then.
    """
    suffix = f".{uuid4().hex}.part"
    copied: list[tuple[str, Any, str]] = []
    try:
        for uri, part in files.items():
            with explained(uri):
                copied.append((uri, *_upload(part, uri, suffix)))
        while copied:
            uri, system, inner = copied[0]
            with explained(uri):
                system.move(inner + suffix, inner)
            del copied[0]
    finally:
        for _, system, inner in copied:
            with suppress(OSError):  # what is left has another name, and the error is on its way
                system.delete_file(inner + suffix)


@contextmanager
def explained(path: PathLike) -> Iterator[None]:
    """Turn an OSError about ``path`` into a CaffeError that says what to do."""
    try:
        yield
    except FileNotFoundError:
        raise CaffeError(f"no such file: {os.fspath(path)}{_near(path)}") from None
    except IsADirectoryError:
        raise CaffeError(f"{os.fspath(path)} is a folder: name the file in it") from None
    except PermissionError:
        raise CaffeError(f"no permission for {os.fspath(path)}: check its owner") from None
    except OSError as error:
        raise CaffeError(f"cannot use {os.fspath(path)}: {error.strerror or error}") from error


def _near(path: PathLike) -> str:
    """Return a hint at what may have been meant by a local ``path`` that is missing."""
    local = local_path(path)
    if local is None:
        return ""
    if not local.parent.is_dir():
        return f"; there is no folder {local.parent} either"
    names = get_close_matches(local.name, os.listdir(local.parent), n=1)
    return f"; did you mean {local.parent / names[0]}?" if names else ""
