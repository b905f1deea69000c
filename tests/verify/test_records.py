"""A model and what was recorded of it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe import CaffeError, CaffeFormatError, Model
from bigdl_caffe.verify import compare
from tests.nets import digits
from tests.paths import GOLDEN, REPO, SHARED, needs_models

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize("strip", [False, True])
def test_a_record_of_either_form(tmp_path: Path, recorded: dict[str, Array], strip: bool) -> None:
    keys = {key: key.split("/")[1] if strip else key for key in recorded}
    np.savez(tmp_path / "io.npz", **{keys[k]: x for k, x in recorded.items()})
    found = compare(digits(), tmp_path / "io.npz")
    assert found.equal
    assert [row.blob for row in found.rows] == ["pool1", "prob"]
    assert found.only_b == ()
    assert compare(str(tmp_path / "io.npz"), digits()).equal


def test_a_record_of_other_numbers(recorded: dict[str, Array]) -> None:
    recorded["out/prob"][0, 3] += 0.5
    recorded["out/strange"] = np.zeros(3)
    found = compare(digits(), recorded)
    assert found.first == "prob"
    assert found.rows[1].index == (0, 3)
    assert found.only_b == ("out/strange",)


def test_a_record_of_inner_values(recorded: dict[str, Array]) -> None:
    model = digits()
    feed = {"data": recorded["in/data"]}
    inner = model.run(feed, ["conv1~0", "conv1"])
    assert compare(model, {**feed, **inner}).equal
    swapped = {"conv1~0": inner["conv1"], "conv1": inner["conv1"]}
    assert compare(model, {**feed, **swapped}).first == "conv1"


@pytest.mark.parametrize("case", ["Net/inplace_chain", "LSTM/basic", "Embed/basic"])
def test_caffes_own_records(case: str) -> None:
    folder = GOLDEN / "layers" / case
    if not folder.is_dir():
        pytest.fail(f"there is no case {case}")
    weights = folder / "weights.caffemodel"
    model = Model.load_caffe_model(folder / "net.prototxt", weights if weights.exists() else None)
    found = compare(model, folder / "io.npz")
    assert found.equal, str(found)
    assert len(found.rows) >= 1


@needs_models
@pytest.mark.parametrize(
    "name", ["old_v1_cifar10_full", "mtcnn_det3", "yufacedetect_v1", "open_nsfw_resnet50_1by2"]
)
def test_real_models_give_what_caffe_recorded(name: str) -> None:
    folder = SHARED / "models" / name
    model = Model.load_caffe_model(folder / "deploy.prototxt", folder / "weights.caffemodel")
    assert compare(model, folder / "caffe_io.npz").equal


def pickled(path: Path) -> None:
    np.savez(path, data=np.array([{}], dtype=object))


def words(path: Path) -> None:
    np.savez(path, data=np.array(["a"]))


def cut(path: Path) -> None:
    np.savez(path, data=np.zeros(1000))
    path.write_bytes(path.read_bytes()[:-300])


def damaged(path: Path) -> None:
    np.savez(path, data=np.arange(1000.0))
    raw = bytearray(path.read_bytes())
    raw[400:500] = bytes(100)
    path.write_bytes(raw)


def no_header(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.npy", b"\x93NUMPY\x01\x00\xff\xff{")


def not_arrays(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", b"no array")


@pytest.mark.parametrize(
    "make",
    [
        pickled,
        words,
        cut,
        damaged,
        no_header,
        not_arrays,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04" + bytes(50)),
        lambda path: path.write_bytes(b"text"),
        lambda path: np.save(path.open("wb"), np.zeros(3)),
    ],
)
def test_broken_records(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    make(tmp_path / "io.npz")
    with pytest.raises(CaffeFormatError, match=r"io\.npz"):
        compare(digits(), tmp_path / "io.npz")


def test_what_cannot_be_compared(tmp_path: Path, recorded: dict[str, Array]) -> None:
    model = digits()
    with pytest.raises(CaffeError, match="no such file"):
        compare(model, tmp_path / "none.npz")
    with pytest.raises(CaffeError, match="both sides are records"):
        compare(recorded, recorded)
    with pytest.raises(CaffeError, match="the record has no input data"):
        compare(model, {"out/prob": recorded["out/prob"]})
    with pytest.raises(CaffeError, match="no blob in common"):
        compare(model, {"in/data": recorded["in/data"], "x": np.zeros(2)})
    with pytest.raises(CaffeError, match="not an input"):
        compare(model, digits(), feed={"nope": np.zeros(2)})
    for tolerance in (-1.0, float("nan")):
        with pytest.raises(CaffeError, match="tolerance"):
            compare(model, model, tolerance=tolerance)
    with pytest.raises(CaffeError, match="not a picture"):
        compare(model, model, feed=REPO / "setup.py")
    np.savez(tmp_path / "in.npz", other=np.zeros(2))
    with pytest.raises(CaffeError, match="none of the net's inputs"):
        compare(model, model, feed=tmp_path / "in.npz")
