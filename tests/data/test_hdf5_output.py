"""The file of an HDF5Output layer, against those that Caffe wrote."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from bigdl_caffe.data.hdf5_output import write_hdf5_output
from bigdl_caffe.errors import ShapeError
from tests.layers.golden import Case, cases

CASES = [pytest.param(c, id=c.name) for c in cases() if c.meta["layer"] == "HDF5Output"]


@pytest.mark.parametrize("case", CASES)
def test_the_file_holds_what_caffes_holds(case: Case, tmp_path: Path) -> None:
    fed = case.step(0, "in")
    write_hdf5_output(tmp_path / "out.h5", fed["x"], fed["lab"])
    with h5py.File(tmp_path / "out.h5") as ours, h5py.File(case.folder / "out.h5") as caffes:
        assert set(ours) == set(caffes) == {"data", "label"}
        for name in caffes:
            assert ours[name].dtype == caffes[name].dtype
            np.testing.assert_array_equal(ours[name][()], caffes[name][()])


def test_double_precision_stays(tmp_path: Path) -> None:
    write_hdf5_output(tmp_path / "out.h5", np.ones((2, 3)), np.ones(2, np.int64))
    with h5py.File(tmp_path / "out.h5") as file:
        assert (file["data"].dtype, file["label"].dtype) == (np.float64, np.float32)


@pytest.mark.parametrize(
    ("data", "words"), [(np.ones((3, 1)), "as many rows"), (np.ones((2, 1, 1, 1, 1)), "4 axes")]
)
def test_what_caffe_refuses_leaves_no_file(data: np.ndarray, words: str, tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=words):
        write_hdf5_output(tmp_path / "out.h5", data, np.ones(2))
    assert not list(tmp_path.iterdir())
