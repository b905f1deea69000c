"""Files in the user's cache folder, where programs that do not know the package find them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from bigdl_caffe.errors import CaffeError


def keep(name: str, contents: bytes, mode: int, remedy: str) -> Path:
    """Return the path of a file with these contents in the cache, written if it is not there.

    It stands in a folder that is named by the contents: others get another folder, and a
    file that exists is right as it is. Whoever looks meanwhile sees all of it or nothing.

    Parameters
    ----------
    name : str
        What the path ends with, such as "bin/java".
    contents : bytes
    mode : int
        The file's permissions, such as 0o600.
    remedy : str
        What helps besides another cache folder; the end of the error's message.

    Raises
    ------
    CaffeError
        The cache folder may not be written, or there is no room.
    """
    key = hashlib.sha256(contents).hexdigest()[:16]
    try:
        path = _folder() / f"{Path(name).stem}-{key}" / name
        if not path.is_file():
            _write(path, contents, mode)
    except (OSError, RuntimeError) as error:
        raise CaffeError(
            f"cannot keep {name} in the user's cache ({error}): set XDG_CACHE_HOME to a folder "
            f"that you can write to, or {remedy}"
        ) from error
    return path


def _folder() -> Path:
    """Return the user's cache folder, made for the user alone where it is new.

    The place is that of the XDG base directory specification.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bigdl-caffe"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _write(path: Path, contents: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as out:
        out.write(contents)
    os.chmod(part, mode)
    os.replace(part, path)
