"""Solver states: Caffe's are read whole, and Caffe would read ours."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.train.state import SolverState, read_state, write_state
from tests.train.golden import COMMON, SOLVERS, Case

GOLDEN_STATES = sorted(SOLVERS.glob("*/*.solverstate"))
ONE = GOLDEN_STATES[0]


def message(path: Path) -> pb.SolverState:
    return pb.SolverState.FromString(path.read_bytes())


def same(one: SolverState, other: SolverState) -> bool:
    arrays = zip(one.history, other.history, strict=True)
    return {**vars(one), "history": ()} == {**vars(other), "history": ()} and all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in arrays
    )


@pytest.mark.parametrize("path", GOLDEN_STATES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_caffes_states_come_out_as_they_went_in(path: Path, tmp_path: Path) -> None:
    state = read_state(path)
    assert f"iter_{state.iter}." in state.learned_net
    write_state(tmp_path / "x.solverstate", state)
    assert message(tmp_path / "x.solverstate") == message(path)
    write_state(tmp_path / "x.solverstate.h5", state)
    assert same(read_state(tmp_path / "x.solverstate.h5"), state)


def test_history_has_the_blobs_shapes() -> None:
    state = read_state(SOLVERS / "adam_resume" / "snap_iter_10.solverstate")
    shapes = [blob.shape for blob in Case("adam_resume").blobs("final").values()]
    assert [array.shape for array in state.history] == shapes * 2


def test_hdf5_is_laid_out_as_caffe_does(tmp_path: Path) -> None:
    path = tmp_path / "x.solverstate.h5"
    write_state(path, SolverState(5, "weights_é", 2, (np.ones((2, 3), np.float32),)))
    with h5py.File(path) as opened:
        assert (opened["iter"].shape, opened["iter"].dtype) == ((1,), np.int32)
        assert opened["current_step"][0] == 2
        text = opened["learned_net"].id.get_type()
        assert (text.get_size(), text.get_strpad()) == (11, h5py.h5t.STR_NULLTERM)
        assert opened["history"]["0"].dtype == np.float32
    assert read_state(path).learned_net == "weights_é"


def test_states_of_old_caffes(tmp_path: Path) -> None:
    """Without current_step and learned_net, shapes of four axes, doubles."""
    old = pb.SolverState(iter=7)
    old.history.add(num=1, channels=1, height=1, width=3, double_data=[1, 2, 3])
    old.history.add(data=[4.0])
    (tmp_path / "x").write_bytes(old.SerializeToString())
    state = read_state(tmp_path / "x")
    assert (state.iter, state.learned_net, state.current_step) == (7, "", 0)
    assert [(a.shape, a.dtype, a.sum()) for a in state.history] == [
        ((1, 1, 1, 3), np.float32, 6),
        ((1,), np.float32, 4),
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (SOLVERS / "adam_resume" / "snap_iter_10.caffemodel", "are these weights"),
        (SOLVERS / "adam_resume" / "solver.prototxt", "this is text"),
        (COMMON / "train.h5", "this file has data, label"),
    ],
)
def test_other_files_are_refused(path: Path, said: str) -> None:
    with pytest.raises(CaffeFormatError, match=said):
        read_state(path)


@pytest.mark.parametrize("ending", ["", ".h5"])
def test_cut_files_are_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.solverstate{ending}"
    write_state(path, read_state(ONE))
    whole = path.read_bytes()
    for size in (0, 1, 20, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:size])
        with pytest.raises(CaffeFormatError, match="solverstate"):
            read_state(path)


def test_negative_iterations_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pb.SolverState(iter=-1).SerializeToString())
    with pytest.raises(CaffeFormatError, match="below 0"):
        read_state(tmp_path / "x")


def test_what_caffe_could_not_read_is_not_written(tmp_path: Path) -> None:
    large = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (1 << 29,), (0,))
    with pytest.raises(CaffeError, match=r"write HDF5, by a name that ends in \.solverstate\.h5"):
        write_state(tmp_path / "x.solverstate", SolverState(1, history=(large,)))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match="there is no folder"):
        write_state(tmp_path / "no" / "x.solverstate", SolverState(1))
