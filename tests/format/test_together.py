"""Several files written at once: all of them or none, at every moment."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import exchange, paths
from bigdl_caffe.format.together import write_together


def write(targets: Sequence[Path], text: str, overwrite: bool = True) -> None:
    with write_together(targets, overwrite) as parts:
        for part in parts:
            part.write_text(text)


def read(targets: Sequence[Path]) -> list[str | None]:
    return [target.read_text() if target.exists() else None for target in targets]


def pair(folder: Path) -> list[Path]:
    """Return two targets in two folders."""
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    return [folder / "a" / "net", folder / "b" / "weights"]


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("apart", [False, True])
def test_new_files_and_replaced_ones_are_plain(apart: bool, tmp_path: Path) -> None:
    targets = pair(tmp_path) if apart else [tmp_path / "net", tmp_path / "weights"]
    write(targets, "old", overwrite=False)
    targets[1].chmod(0o640)
    write(targets, "new")
    assert read(targets) == ["new", "new"]
    assert not any(target.is_symlink() for target in targets)
    assert targets[1].stat().st_mode & 0o777 == 0o640
    left = ["a", "a/net", "b", "b/weights"] if apart else ["net", "weights"]
    assert everything(tmp_path) == left


def test_files_that_are_there_stay(tmp_path: Path) -> None:
    targets = [tmp_path / "net", tmp_path / "weights"]
    targets[1].write_text("old")
    with pytest.raises(FileExistsError, match=r"weights exists: pass overwrite=True"):
        write(targets, "new", overwrite=False)
    assert everything(tmp_path) == ["weights"]


def test_a_file_that_comes_meanwhile_stays(tmp_path: Path) -> None:
    targets = [tmp_path / "net", tmp_path / "weights"]
    writing = write_together(targets, overwrite=False)
    for part in writing.__enter__():
        part.write_text("new")
    targets[0].write_text("another's")
    with pytest.raises(FileExistsError):
        writing.__exit__(None, None, None)
    assert read(targets) == ["another's", None]


def test_an_exception_leaves_what_was_there(tmp_path: Path) -> None:
    targets = pair(tmp_path)
    write(targets, "old")
    with pytest.raises(TypeError), write_together(targets, overwrite=True) as parts:
        parts[1].write_text(parts[0].write_text("half"))  # type: ignore[arg-type]  # it is to fail
    assert read(targets) == ["old", "old"]
    assert everything(tmp_path) == ["a", "a/net", "b", "b/weights"]


def test_links_of_the_users_stay(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "net").symlink_to("real/net")
    targets = [tmp_path / "net", tmp_path / "weights"]
    write(targets, "old")
    write(targets, "new")
    assert os.readlink(targets[0]) == "real/net"
    assert (tmp_path / "real" / "net").read_text() == "new"


@pytest.mark.parametrize("what", ["folder", "missing", "same"])
def test_places_that_cannot_be_are_told_before_anything_is_written(
    what: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    second = {"folder": "folder", "missing": "nowhere/x", "same": "folder/../net"}[what]
    with pytest.raises(CaffeError, match=r"folder|no such file|one path"):
        write([tmp_path / "net", tmp_path / second], "new")
    assert everything(tmp_path) == ["folder"]


def test_without_links_files_are_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(errno.EPERM, "no links on this file system")

    targets = pair(tmp_path)
    write(targets, "old")
    monkeypatch.setattr(os, "symlink", refuse)
    write(targets, "new")
    assert read(targets) == ["new", "new"]
    assert everything(tmp_path) == ["a", "a/net", "b", "b/weights"]


STEPS = {"os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.mkdir"}
"""What changes a folder, by the names that Python's audit hooks have for it."""


def killed(step: int, targets: Sequence[Path]) -> bool:
    """Write in a process that is killed before the ``step``-th change of a folder, if any."""
    child = os.fork()
    if not child:
        try:
            with write_together(targets, overwrite=True) as parts:
                [part.write_text("new") for part in parts]
                sys.addaudithook(partial(_kill_at, iter([*[False] * (step - 1), True])))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _kill_at(ends: Iterator[bool], event: str, arguments: object) -> None:
    if event in STEPS and next(ends, False):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("there", [("old", "old"), (None, None), ("old", None)])
@pytest.mark.parametrize("apart", [False, True])
def test_killed_at_any_step_both_are_old_or_both_are_new(
    apart: bool, there: tuple[str | None, ...], tmp_path: Path
) -> None:
    targets = pair(tmp_path) if apart else [tmp_path / "net", tmp_path / "weights"]
    seen, step, again = set(), 1, True
    while again:
        for target, text in zip(targets, there, strict=True):
            target.unlink(missing_ok=True)
            if text:
                target.write_text(text)
        again = killed(step, targets)
        now = tuple(read(targets))
        assert now in {there, ("new", "new")}, f"killed at step {step}"
        seen.add(now)
        write(targets, "next")
        assert read(targets) == ["next", "next"]
        left = [name for name in everything(tmp_path) if "saving" in name]
        assert left == [], f"killed at step {step}"
        assert not any(target.is_symlink() for target in targets)
        step += 1
    assert seen == {there, ("new", "new")}
    assert step > 10


def test_writers_wait_for_each_other(tmp_path: Path) -> None:
    targets = [tmp_path / "net", tmp_path / "weights"]
    started = threading.Barrier(4)

    def write_often(text: str) -> None:
        started.wait()
        for _ in range(25):
            write(targets, text)

    threads = [threading.Thread(target=write_often, args=[str(i)]) for i in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found = [path for path in targets if path.exists()]
        assert all(path.read_text() in {"0", "1", "2", "3"} for path in found)
    net, weights = read(targets)
    assert net == weights
    assert everything(tmp_path) == ["net", "weights"]


def test_remote_files_are_moved_when_all_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import fs

    system = fs._MockFileSystem()
    monkeypatch.setattr(paths, "_remote", lambda uri: (system, uri.partition("//")[2]))
    targets = ["s3://net", "s3://weights"]
    with write_together(targets, overwrite=False) as parts:
        [part.write_text("new") for part in parts]
    assert [paths.read_bytes(target) for target in targets] == [b"new", b"new"]
    with pytest.raises(FileExistsError, match="s3://net and s3://weights exist:"):
        write(targets, "newer", overwrite=False)  # type: ignore[arg-type]  # URIs are text
    (parts,) = [system.get_file_info(fs.FileSelector("", recursive=True))]
    assert sorted(part.path for part in parts) == ["net", "weights"]


def test_a_remote_and_a_local_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pyarrow import fs

    system = fs._MockFileSystem()
    monkeypatch.setattr(paths, "_remote", lambda uri: (system, uri.partition("//")[2]))
    with write_together([tmp_path / "net", "s3://weights"], overwrite=False) as (net, weights):
        net.write_text("net")
        weights.write_text("weights")
    assert (tmp_path / "net").read_text() == "net"
    assert paths.read_bytes("s3://weights") == b"weights"


def test_an_upload_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import fs

    system = fs._MockFileSystem()

    def remote(uri: str) -> tuple[object, str]:
        if "weights" in uri:
            raise OSError("the connection broke")
        return system, uri.partition("//")[2]

    monkeypatch.setattr(paths, "_remote", remote)
    monkeypatch.setattr(paths, "exists", lambda path: False)
    with pytest.raises(CaffeError, match=r"s3://weights.*broke"):
        write(["s3://net", "s3://weights"], "new")  # type: ignore[list-item]  # URIs are text
    assert system.get_file_info(fs.FileSelector("", recursive=True)) == []


def test_who_holds_the_lock_keeps_others_out(tmp_path: Path) -> None:
    targets = [tmp_path / "net", tmp_path / "weights"]
    done = threading.Event()

    def write_second() -> None:
        write(targets, "second")
        done.set()

    with write_together(targets, overwrite=True) as parts:
        thread = threading.Thread(target=write_second)
        thread.start()
        assert not done.wait(0.2)
        [part.write_text("first") for part in parts]
    assert done.wait(10)
    assert read(targets) == ["second", "second"]
    assert exchange.SUFFIX not in "".join(everything(tmp_path))
