"""Snapshots: the files Caffe makes, whole, the last of them found."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from pyarrow import fs

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.train.definition import SolverDef, read_solver
from bigdl_caffe.train.snapshots import (
    check_place,
    latest_snapshot,
    snapshot_names,
    weights_of,
    write_snapshot,
)
from bigdl_caffe.train.state import SolverState, read_state
from tests.train.golden import COMMON, SOLVERS, Array, Case

Blobs = dict[str, Array]


def load(weights: Path) -> Model:
    shapes = {"data": (8, 1, 12, 12), "label": (8,)}
    net = COMMON / "net.prototxt"
    return Model.load_caffe_model(net, weights, phase="TRAIN", input_shapes=shapes)


@pytest.fixture(scope="module")
def model() -> Model:
    return load(COMMON / "init_net.caffemodel")


def definition(prefix: Path | str, **fields: object) -> SolverDef:
    return replace(read_solver(Case("sgd").solver), snapshot_prefix=str(prefix), **fields)


def blobs(path: Path, kind: str = "data") -> Blobs:
    """Return "layer/index" → what protobuf's own parser reads of a caffemodel."""
    net = pb.NetParameter.FromString(path.read_bytes())
    return {
        f"{layer.name}/{i}": np.reshape(np.array(getattr(blob, kind), np.float32), blob.shape.dim)
        for layer in net.layer
        for i, blob in enumerate(layer.blobs)
        if getattr(blob, kind)
    }


def equal(one: Blobs, other: Blobs) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let writing fail from byte ``size`` of a file on, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["adam_resume/snap_iter_10", "snapshot_diff/snap_iter_5"])
def test_has_what_caffes_have(name: str, tmp_path: Path) -> None:
    weights, state = (SOLVERS / f"{name}.{kind}" for kind in ("caffemodel", "solverstate"))
    model = load(weights)
    diffs = blobs(weights, "diff") if "diff" in name else None
    made = write_snapshot(model, read_state(state), definition(tmp_path / "snap"), diffs)
    ours, our_state = map(Path, made)
    assert (ours.name, our_state.name) == (weights.name, state.name)
    assert equal(blobs(ours), blobs(weights))
    assert equal(blobs(ours, "diff"), blobs(weights, "diff"))
    theirs = pb.SolverState.FromString(state.read_bytes())
    theirs.learned_net = str(ours)
    assert pb.SolverState.FromString(our_state.read_bytes()) == theirs


def test_has_the_weights_as_they_are_now(tmp_path: Path) -> None:
    model = load(COMMON / "init_net.caffemodel")
    with torch.no_grad():
        model.params["ip2"][1].fill_(7)
    weights, _ = write_snapshot(model, SolverState(1), definition(tmp_path / "s"))
    assert blobs(Path(weights))["ip2/1"].tolist() == [7] * 5


def test_hdf5(model: Model, tmp_path: Path) -> None:
    diffs = {"ip2/1": np.arange(5, dtype=np.float32)}
    hdf5 = definition(tmp_path / "s", snapshot_format="HDF5")
    weights, state = write_snapshot(model, SolverState(3), hdf5, diffs)
    assert (weights, state) == (
        f"{tmp_path}/s_iter_3.caffemodel.h5",
        f"{tmp_path}/s_iter_3.solverstate.h5",
    )
    assert read_state(state).learned_net == weights
    with h5py.File(weights) as opened:
        assert opened["diff/ip2/1"][:].tolist() == [0, 1, 2, 3, 4]
        assert not opened["diff/conv1/0"][:].any()
    again = load(Path(weights))
    assert torch.equal(again.params["conv1"][0], model.params["conv1"][0])


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_a_full_disk_is_said_and_leaves_older_snapshots(
    form: str, model: Model, tmp_path: Path
) -> None:
    solver = definition(tmp_path / "s", snapshot_format=form)
    history = (np.zeros(10_000, np.float32),)
    _, last = write_snapshot(model, SolverState(1, history=history), solver)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with files_of_at_most(2000), pytest.raises(CaffeError, match=r"s_iter_2\.caffemodel"):
        write_snapshot(model, SolverState(2, history=history), solver)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    with files_of_at_most(30_000), pytest.raises(CaffeError, match=r"s_iter_2\.solverstate"):
        write_snapshot(model, SolverState(2, history=history), solver)
    assert latest_snapshot(solver.snapshot_prefix) == last


def test_finds_the_last(model: Model, tmp_path: Path) -> None:
    prefix = f"{tmp_path}/s"
    assert latest_snapshot(prefix) is latest_snapshot(f"{tmp_path}/no/s") is None
    names = ["s_iter_9.solverstate", "s_iter_10.solverstate.h5", "s_iter_11.caffemodel"]
    names += ["other_s_iter_12.solverstate", "s_iter_13.solverstate.part"]
    for name in names:
        (tmp_path / name).touch()
    assert latest_snapshot(prefix) == f"{prefix}_iter_10.solverstate.h5"


def test_on_another_file_system(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    system = fs._MockFileSystem()
    system.create_dir("bucket/run")
    monkeypatch.setattr(paths, "_remote", lambda uri: (system, uri.partition("//")[2]))
    solver = definition("s3://bucket/run/snap")
    assert latest_snapshot(solver.snapshot_prefix) is None
    check_place(solver.snapshot_prefix)
    for iteration in (1, 2):
        weights, state = write_snapshot(model, SolverState(iteration), solver)
    assert (
        latest_snapshot(solver.snapshot_prefix)
        == state
        == "s3://bucket/run/snap_iter_2.solverstate"
    )
    assert weights_of(read_state(state), state) == weights
    assert len(system.get_file_info(fs.FileSelector("bucket/run"))) == 4


def test_weights_are_found_beside_a_state_that_was_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = SOLVERS / "adam_resume" / "snap_iter_10.solverstate"
    assert weights_of(read_state(beside), str(beside)) == str(beside.with_suffix(".caffemodel"))
    elsewhere = str(tmp_path / "state")
    with pytest.raises(CaffeError, match="put that file beside it"):
        weights_of(SolverState(1, "w.caffemodel"), elsewhere)
    with pytest.raises(CaffeError):
        weights_of(SolverState(1, ""), elsewhere)
    monkeypatch.chdir(SOLVERS / "adam_resume")
    assert weights_of(read_state(beside), elsewhere) == "snap_iter_10.caffemodel"


def test_names() -> None:
    assert snapshot_names(definition("a/b"), 7) == (
        "a/b_iter_7.caffemodel",
        "a/b_iter_7.solverstate",
    )


def test_the_place_is_tried(tmp_path: Path) -> None:
    check_place(f"{tmp_path}/s")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CaffeError, match="there is no folder"):
        check_place(f"{tmp_path}/no/s")
