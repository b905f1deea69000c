"""HDF5 weights."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.format.hdf5 import write_hdf5
from bigdl_caffe.format.source import open_weights
from tests.paths import SHARED, needs_models

h5py = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "n.caffemodel.h5"
    with h5py.File(path, "w") as file:
        for index in range(11):
            file[f"data/many/{index}"] = np.full((1, 2), index, np.float64)
        file["data/block/conv/0"] = np.arange(6, dtype=np.float32).reshape(2, 3)
        file["data/block/0"] = np.float32(3)
        file.create_group("data/relu")
    return path


def test_layers_and_their_blobs(path: Path) -> None:
    with open_weights(path) as source:
        layers = {x.name: x.blobs for x in source.layers}
        assert {name: len(blobs) for name, blobs in layers.items()} == {
            "block": 1, "block/conv": 1, "many": 11, "relu": 0,
        }  # fmt: skip
        assert layers["block/conv"][0].shape == (2, 3)
        assert layers["block/conv"][0].fits((2, 3))
        out = np.empty(2, np.float32)
        layers["many"][10].copy_to(out)  # blob 10 is after blob 9, not after blob 1
        assert out.tolist() == [10, 10]
        scalar = np.empty(1, np.float32)
        layers["block"][0].copy_to(scalar)
        assert scalar.tolist() == [3]


def test_blobs_that_a_layer_shares_are_absent_and_the_others_keep_their_index(
    tmp_path: Path,
) -> None:
    path = tmp_path / "shared.caffemodel.h5"
    with h5py.File(path, "w") as file:  # as Net::ToHDF5 writes a layer that owns its bias only
        file["data/owner/0"] = np.zeros((2, 3))
        file["data/owner/1"] = np.zeros(2)
        file["data/sharer/1"] = np.ones(2)
        file.create_group("data/sharer_of_all")
    with open_weights(path) as source:
        found = {
            x.name: [(i, b.shape) for i, b in zip(x.indices, x.blobs, strict=True)]
            for x in source.layers
        }
    assert found == {
        "owner": [(0, (2, 3)), (1, (2,))],
        "sharer": [(1, (2,))],
        "sharer_of_all": [],
    }


def test_what_is_no_weight_file_is_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x", "w") as file:
        file["history/0"] = np.zeros(3)
    with pytest.raises(CaffeFormatError, match="solverstate"):
        open_weights(tmp_path / "x")


@pytest.mark.parametrize("name", ["kernel", "01", "-1", "9" * 5000])
def test_blobs_must_be_numbered(name: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x", "w") as file:
        file[f"data/l/{name}"] = np.zeros(3)
    with pytest.raises(CaffeFormatError, match=f"'{name}'"):
        open_weights(tmp_path / "x")


def test_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(CaffeFormatError, match="damaged"):
        open_weights(path)


def test_without_h5py(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(CaffeError, match=r"bigdl-caffe\[hdf5\]"):
        open_weights(path)


@needs_models
def test_real_files() -> None:
    for path in (SHARED / "models").glob("*/*.caffemodel.h5"):
        with open_weights(path) as source:
            for blob in (b for layer in source.layers for b in layer.blobs):
                out = np.full(blob.count, np.nan, np.float32)
                blob.copy_to(out)
                assert np.isfinite(out).all()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    odd = np.array([[np.nan, -np.inf, -0.0]], np.float32)
    layers = {
        "a/b": {0: odd, 2: np.float32(3)},
        "a": {0: odd},
        "none": {},
        "empty": {0: np.zeros((0, 2), "f4")},
    }
    write_hdf5(tmp_path / "x", layers.items(), "x")
    with open_weights(tmp_path / "x") as source:
        found = {layer.name: layer for layer in source.layers}
        assert found.keys() == layers.keys()
        assert found["a/b"].indices == (0, 2)
        out = np.empty(3, np.float32)
        found["a/b"].blobs[0].copy_to(out)
        assert out.tobytes() == odd.tobytes()
        assert found["empty"].blobs[0].shape == (0, 2)


@pytest.mark.parametrize(
    "names", [("a", "a"), ("a", "a/0"), ("",), ("a", "a/0/b"), ("\0",), ("/a",), ("a//b",), (".",)]
)
def test_names_that_hdf5_cannot_hold_are_told(names: tuple[str, ...], tmp_path: Path) -> None:
    layers = [(name, {0: np.zeros(1, np.float32)}) for name in names]
    with pytest.raises(CaffeError, match=r"net\.h5.*rename it, or write a \.caffemodel"):
        write_hdf5(tmp_path / "x", layers, "net.h5")
