"""Packed weights in one file: the same numbers from it, by several processes, and damaged."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import Model
from bigdl_caffe.engine import onednn, packed
from bigdl_caffe.engine.eager import open_torch
from bigdl_caffe.engine.opening import Opening
from bigdl_caffe.errors import CaffeFormatError
from tests.engine.compare import assert_close
from tests.nets import digits

needs_mapping = pytest.mark.skipif(
    not (onednn.available() and packed.can_map()),
    reason="this torch has no packed weights over memory that is there",
)


@pytest.fixture(autouse=True)
def own_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("packed/*") if path.name != "lock")


def opened(model: Model) -> np.ndarray:
    """Return what a shared engine makes of rows of ones."""
    compute = open_torch(Opening(model, ("prob",), 4, shared=True))
    (shape,) = model.inputs.values()
    feed = {"data": np.ones((4, *shape[1:]), np.float32)}
    return model.through(compute, feed, ("prob",))["prob"]


def exact(model: Model) -> np.ndarray:
    (shape,) = model.inputs.values()
    return model.run({"data": np.ones((4, *shape[1:]), np.float32)}, ["prob"])["prob"]


@needs_mapping
def test_one_file_for_all(tmp_path: Path, lenet: Model) -> None:
    assert_close(opened(lenet), exact(lenet), "prob")
    (path,) = files(tmp_path)
    made = path.stat().st_mtime_ns, path.stat().st_ino
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        other = pool.apply(in_another_process)
    np.testing.assert_array_equal(other, opened(lenet))
    assert files(tmp_path) == [path]
    assert path.stat().st_ino == made[1]
    assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0


def in_another_process() -> np.ndarray:
    return opened(digits())


@needs_mapping
@pytest.mark.parametrize("left", [0, 5, 100, -1, -4096])
def test_a_file_cut_short_is_made_anew(left: int, tmp_path: Path, lenet: Model) -> None:
    opened(lenet)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    with pytest.raises(CaffeFormatError, match="no whole file of packed weights"):
        packed.read_packed(path)
    assert_close(opened(lenet), exact(lenet), "prob")
    assert path.read_bytes() == whole


@needs_mapping
def test_what_other_rules_packed_is_not_taken(
    tmp_path: Path, lenet: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(lenet)
    (path,) = files(tmp_path)
    mapped = packed.read_packed(path)
    name = next(iter(mapped))
    path.unlink()  # the mapping keeps it
    with path.open("xb") as out:
        packed.write_packed(out, [(name, mapped[name])])
    assert_close(opened(lenet), exact(lenet), "prob")
    assert files(tmp_path) == [path]
    monkeypatch.setattr("bigdl_caffe.engine.eager.LAYOUT", 0)
    opened(lenet)
    assert len(files(tmp_path)) == 2


@needs_mapping
def test_an_index_that_is_damaged_is_seen(tmp_path: Path, lenet: Model) -> None:
    opened(lenet)
    (path,) = files(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[-40] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CaffeFormatError):
        packed.read_packed(path)


def test_without_mapping_each_process_packs(
    tmp_path: Path, lenet: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bigdl_caffe.engine.eager.can_map", lambda: False)
    assert_close(opened(lenet), exact(lenet), "prob")
    assert files(tmp_path) == []


@needs_mapping
def test_a_full_disk_is_no_reason_to_stop(lenet: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("bigdl_caffe.engine.eager.write_packed", full)
    assert_close(opened(lenet), exact(lenet), "prob")
