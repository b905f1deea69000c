"""The file of an HDF5Output layer, against those that Caffe wrote."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from bigdl_caffe.data.hdf5_output import write_hdf5_output
from bigdl_caffe.errors import ShapeError
from tests.layers.build import layer
from tests.layers.golden import Case, cases
from tests.nets import net

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


def test_what_a_training_nets_layer_is_given_can_be_written(tmp_path: Path) -> None:
    text = """
        input: 'x' input_shape { dim: 2 dim: 3 } input: 'y' input_shape { dim: 2 }
        layer { name: 'twice' type: 'Power' bottom: 'x' top: 'z' power_param { scale: 2 } }
        layer { name: 'out' type: 'HDF5Output' bottom: 'z' bottom: 'y'
                hdf5_output_param { file_name: 'out.h5' } }
        """
    model = net(tmp_path, text, phase="TRAIN")
    (sink,) = (spec for spec in model.net.layers if spec.type == "HDF5Output")
    blobs = model.run({"x": np.ones((2, 3)), "y": np.array([4, 5])}, sink.bottoms)
    path = tmp_path / sink.param.hdf5_output_param.file_name
    write_hdf5_output(path, *(blobs[b] for b in sink.bottoms))
    with h5py.File(path) as file:
        assert file["data"][()].ravel().tolist() == [2] * 6
        assert file["label"][()].ravel().tolist() == [4, 5]


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


def test_a_layer_without_a_file_or_with_other_rows_is_refused() -> None:
    with pytest.raises(ShapeError, match="no file_name"):
        layer("HDF5Output", bottoms=2, tops=0)
    sink = layer("HDF5Output", "hdf5_output_param { file_name: 'x' }", bottoms=2, tops=0)
    with pytest.raises(ShapeError, match="as many rows"):
        sink.top_shapes([(2, 3), (3,)])
    with pytest.raises(ShapeError, match="4 axes"):
        sink.top_shapes([(2, 3, 1, 1, 1), (2,)])
