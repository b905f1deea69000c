"""Paths and URIs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths


def test_local_paths_and_file_uris(tmp_path: Path) -> None:
    target = tmp_path / "a b.txt"
    target.write_bytes(b"hi")
    for name in (target, str(target), f"file:{target}", f"file://{target}",
                 f"file://localhost{target}", target.as_uri()):  # fmt: skip
        assert paths.read_bytes(name) == b"hi"
        assert paths.exists(name)
        with paths.local_copy(name) as local:
            assert local == target


def test_dbfs_is_read_from_its_mount() -> None:
    assert paths.local_path("dbfs:/models/a") == Path("/dbfs/models/a")
    assert paths.local_path("hdfs://host/a") is None
    assert paths.local_path("C:/models/a") == Path("C:/models/a")


def test_missing_file_hints_at_a_near_name(tmp_path: Path) -> None:
    (tmp_path / "deploy.prototxt").touch()
    with pytest.raises(CaffeError, match=r"no such file: .*did you mean .*/deploy\.prototxt\?"):
        paths.read_bytes(tmp_path / "deply.prototxt")
    with pytest.raises(CaffeError, match=r"no folder .*/nowhere"):
        paths.read_bytes(tmp_path / "nowhere" / "x")
    assert not paths.exists(tmp_path / "deply.prototxt")


def test_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match="is a folder"):
        paths.read_bytes(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission(tmp_path: Path) -> None:
    (tmp_path / "x").touch(mode=0)
    with pytest.raises(CaffeError, match="no permission"):
        paths.read_bytes(tmp_path / "x")


def test_unknown_scheme() -> None:
    with pytest.raises(CaffeError, match="nosuch"):
        paths.read_bytes("nosuch://host/file")


def test_remote_files_are_copied_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import fs

    system = fs._MockFileSystem()
    monkeypatch.setattr(paths, "_remote", lambda uri: (system, uri.partition("//")[2]))
    with paths.atomic_write("s3://name") as out:
        out.write(b"hello")
    assert paths.exists("s3://name")
    assert not paths.exists("s3://other")
    assert paths.read_bytes("s3://name") == b"hello"
    with paths.local_copy("s3://name") as local:
        assert local.read_bytes() == b"hello"
    assert not local.exists()


def test_writes_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "x"
    with pytest.raises(TypeError), paths.atomic_write(target) as out:
        out.writelines([b"half", None])  # type: ignore[list-item]  # it is to fail half-way
    assert list(tmp_path.iterdir()) == []
    with paths.atomic_write(target) as out:
        out.write(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask


def test_writing_keeps_mode_and_links(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.touch(mode=0o600)
    (tmp_path / "link").symlink_to(real)
    with paths.atomic_write(tmp_path / "link") as out:
        out.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o600


def test_writing_into_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match="no such file"), paths.atomic_write(tmp_path / "a" / "b"):
        pass
