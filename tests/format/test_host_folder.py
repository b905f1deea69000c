"""What the processes of a host make once: whole, or anew, or each for itself."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import host_folder
from bigdl_caffe.format.host_folder import KEPT, locked, made_once, own_folder, read_once, told_once


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))
    host_folder._warn.cache_clear()


def test_it_is_made_once() -> None:
    made: list[Path] = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_text("whole")

    paths = {made_once("kind", "name", make) for _ in range(3)}
    assert len(made) == len(paths) == 1
    assert paths.pop().read_text() == "whole"


def test_what_is_there_waits_for_nobody() -> None:
    """A net may compile for minutes while others only want to open theirs."""
    path = made_once("kind", "name", Path.touch)
    os.utime(path, (0, 0))
    with locked(path.parent):
        assert made_once("kind", "name", Path.touch) == path
    assert path.stat().st_mtime > 0, "it was used last"


def test_what_fails_leaves_nothing() -> None:
    def make(path: Path) -> None:
        path.write_text("half")
        raise ValueError("cut short")

    with pytest.raises(ValueError, match="cut short"):
        made_once("kind", "name", make)
    assert [path.name for path in (own_folder() / "kind").iterdir()] == ["lock"]


def test_those_used_last_are_kept() -> None:
    for i in range(KEPT + 3):
        path = made_once("kind", f"{i}", lambda path: path.mkdir())
        os.utime(path, (i, i))
        made_once("kind", "first", lambda path: path.mkdir())
    left = {path.name for path in (own_folder() / "kind").iterdir()} - {"lock"}
    assert left == {"first", *(str(i) for i in range(4, KEPT + 3))}


def test_what_killed_makers_left_goes() -> None:
    """Neither a folder that is being made now, nor the files that are whole, make room for it."""
    folder = made_once("kind", "0", Path.touch).parent
    for name, age in (("old", 4000), ("new", 0)):
        (folder / f"{name}.part").mkdir()
        (folder / f"{name}.part" / "half").touch()
        then = time.time() - age
        os.utime(folder / f"{name}.part", (then, then))
    for i in range(1, KEPT):
        made_once("kind", f"{i}", Path.touch)
    left = {path.name for path in folder.iterdir()} - {"lock"}
    assert left == {"new.part", *(str(i) for i in range(KEPT))}


def test_what_is_damaged_is_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    made_once("kind", "name", lambda path: path.mkdir())  # another thing than a file
    text = read_once("kind", "name", lambda path: path.write_text("whole"), Path.read_text)
    assert text == "whole"
    assert "it is made anew" in caplog.text
    with pytest.raises(UnicodeDecodeError):
        read_once("kind", "other", lambda path: path.write_bytes(b"\xff"), Path.read_text)


def test_a_text_is_found_out_once() -> None:
    found: list[int] = []

    def find_out() -> str:
        found.append(1)
        return "Grüße"

    assert [told_once("kind", "name", find_out) for _ in range(3)] == ["Grüße"] * 3
    assert len(found) == 1


def test_on_a_full_disk_each_finds_out_for_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(host_folder.os, "replace", full)
    found: list[int] = []
    assert told_once("kind", "name", lambda: found.append(1) or "known") == "known"
    assert len(found) == 1, "what was found out is not lost"
    monkeypatch.setattr(host_folder.tempfile, "TemporaryDirectory", full)
    assert told_once("kind", "name", lambda: "known") == "known"
    assert os.strerror(28) in caplog.text


def test_a_text_that_is_damaged_is_found_out_anew() -> None:
    made_once("kind", "name", lambda path: path.write_text("{"))
    assert told_once("kind", "name", lambda: "1", json.loads) == "1"
    assert told_once("kind", "name", lambda: "2", json.loads) == "1"


def test_what_fails_is_told_to_nobody() -> None:
    def find_out() -> str:
        raise MemoryError

    with pytest.raises(MemoryError):
        told_once("kind", "name", find_out)
    assert told_once("kind", "name", lambda: "known") == "known"


def test_without_a_folder_each_finds_out_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    own_folder().chmod(0o755)
    assert [told_once("kind", name, lambda: "known") for name in "ab"] == ["known"] * 2
    assert len(caplog.records) == 1
    assert "open to others" in caplog.text


def test_a_folder_that_is_open_to_others_is_refused() -> None:
    own_folder().chmod(0o755)
    with pytest.raises(CaffeError, match="open to others"):
        made_once("kind", "name", Path.mkdir)
