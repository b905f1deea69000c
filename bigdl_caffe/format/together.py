"""Files that belong together, at paths or URIs, written so that all appear or none."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths
from bigdl_caffe.format.exchange import followed, replacing


@contextmanager
def write_together(targets: Sequence[paths.PathLike], overwrite: bool) -> Iterator[list[Path]]:
    """Give a local path for each target to write its contents to; then put all in place.

    Local files change at one moment, as `exchange.replacing` says. Others are uploaded under
    other names, and only when all are complete is each moved to its own, before any local file
    changes: nobody finds half a file there, but who reads between two moves, or after a process
    was killed there, finds one new file and one old.

    Parameters
    ----------
    targets : sequence of path or URI
    overwrite : bool
        Whether files that are there may be replaced.

    Raises
    ------
    FileExistsError
        Without ``overwrite``, naming every file that is there. Nothing is touched.
    CaffeError
        For folders that are missing or may not be written, a target given twice, a full disk.
    """
    local = {i: path for i, t in enumerate(targets) if (path := paths.local_path(t)) is not None}
    _check_places(targets, local.values())
    _refuse_existing(targets, overwrite)
    exchange = replacing([*local.values()]) if local else nullcontext(list[Path]())
    remote = [i for i in range(len(targets)) if i not in local]
    scratch = tempfile.TemporaryDirectory(prefix="bigdl-caffe-") if remote else nullcontext("")
    try:
        with scratch as folder, exchange as own:
            made = {i: Path(folder, str(i)) for i in remote} | dict(zip(local, own, strict=True))
            parts = dict(sorted(made.items()))
            yield [*parts.values()]
            _refuse_existing(targets, overwrite)  # again: writing may have taken long
            paths.upload_together({os.fspath(targets[i]): parts[i] for i in remote})
    except FileExistsError:
        raise
    except OSError as error:
        names = " and ".join(os.fspath(target) for target in targets)
        raise CaffeError(f"cannot write {names}: {error.strerror or error}") from error


def _check_places(targets: Sequence[paths.PathLike], local: Iterable[Path]) -> None:
    """Raise where a local file cannot be, or two are one."""
    places = []
    for path in local:
        with paths.explained(path):
            place = followed(path)
            if not os.access(place.parent, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
            places.append(place)
    names = [os.fspath(target) for target in targets]
    if len(set(places)) < len(places) or len(set(names)) < len(names):
        raise CaffeError(f"cannot write two files to one path, {names[0]}: give each its own")


def _refuse_existing(targets: Sequence[paths.PathLike], overwrite: bool) -> None:
    there = [] if overwrite else [os.fspath(target) for target in targets if paths.exists(target)]
    if there:
        raise FileExistsError(
            f"{' and '.join(there)} exist{'s' * (len(there) == 1)}: pass overwrite=True to replace"
        )
