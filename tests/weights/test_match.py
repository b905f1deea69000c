"""Weights to layers by name: the ways of Caffe's Net::CopyTrainedLayersFrom."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import CaffeError, Model, WeightMismatchError
from bigdl_caffe.format.source import open_weights
from bigdl_caffe.layers.assemble import Options, assemble
from bigdl_caffe.layers.registry import registry
from bigdl_caffe.load import read_definition
from bigdl_caffe.weights.fill import fill_table
from bigdl_caffe.weights.slots import plan_slots
from tests.compare import assert_close_to_caffe
from tests.paths import GOLDEN

CASES = {path.parent.name: path.parent for path in sorted(GOLDEN.glob("weights/*/meta.json"))}
META = {name: json.loads((case / "meta.json").read_text()) for name, case in CASES.items()}
# A person who gives an empty file made a mistake; Caffe loads nothing and goes on.
STRICTER = {"empty_file"}
LOADED = [n for n, m in META.items() if m["ok"] and n not in STRICTER]
REFUSED = [n for n, m in META.items() if not m["ok"]] + sorted(STRICTER)


def _load(case: Path, strict: bool = False) -> Model:
    files = [case / file for file in META[case.name]["files"]]
    return Model.load_caffe_model(case / "net.prototxt", files, strict=strict)


@pytest.mark.parametrize("name", LOADED)
def test_gives_caffes_blobs_and_outputs(name: str) -> None:
    model = _load(CASES[name])
    with np.load(CASES[name] / "expect.npz") as expect:
        for key, blob in expect.items():
            kind, _, rest = key.partition("/")
            if kind == "after":
                layer, _, index = rest.rpartition("/")
                ours = model.params[layer][int(index)].detach().numpy()
                np.testing.assert_array_equal(ours, blob, err_msg=key)
        feed = {k[3:]: v for k, v in expect.items() if k.startswith("in/")}
        for key in (k for k in expect if k.startswith("top/")):
            assert_close_to_caffe(model.run(feed, [key[4:]])[key[4:]], expect[key], what=key)


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_caffe_refuses(name: str) -> None:
    with pytest.raises(CaffeError):
        _load(CASES[name])


def test_a_missing_layer_is_an_error_unless_strict_is_false() -> None:
    case = CASES["missing_layers"]
    with pytest.raises(WeightMismatchError) as caught:
        _load(case, strict=True)
    assert len(caught.value.problems) == 4
    assert "strict=False" in str(caught.value)
    assert _load(case).load_report.missing == ("scale", "prelu", "ip", "gain")


def test_of_several_files_each_layer_is_the_last_ones() -> None:
    case = CASES["two_files"]
    files = [case / "w1.caffemodel", case / "w2.caffemodel"]
    alone = [Model.load_caffe_model(case / "net.prototxt", f, strict=False) for f in files]
    both = Model.load_caffe_model(case / "net.prototxt", files, strict=False)
    for layer, blobs in both.params.items():
        theirs = alone[layer in alone[1].load_report.copied].params[layer]
        for ours, expected in zip(blobs, theirs, strict=True):
            np.testing.assert_array_equal(ours.detach(), expected.detach())


def test_of_several_files_every_layer_has_to_be_in_one(tmp_path: Path) -> None:
    case = CASES["missing_layers"]
    some, rest = case / "w.caffemodel", CASES["plain"] / "w.caffemodel"
    model = Model.load_caffe_model(case / "net.prototxt", [some, rest])
    assert not model.load_report.missing
    with pytest.raises(WeightMismatchError, match=r"w\.caffemodel, .*w\.caffemodel") as caught:
        Model.load_caffe_model(case / "net.prototxt", [some, some])
    assert len(caught.value.problems) == 4


def test_no_file_at_all_is_an_error() -> None:
    with pytest.raises(CaffeError, match="no weight file"):
        Model.load_caffe_model(CASES["plain"] / "net.prototxt", [])


def test_every_misfit_is_in_one_error(tmp_path: Path) -> None:
    text = (CASES["plain"] / "net.prototxt").read_text()
    net = tmp_path / "net.prototxt"
    net.write_text(text.replace("num_output: 4", "num_output: 8"))
    with pytest.raises(WeightMismatchError) as caught:
        Model.load_caffe_model(net, CASES["plain"] / "w.caffemodel")
    said = str(caught.value)
    for layer in ("conv", "bn", "scale", "prelu", "ip"):
        assert f"layer '{layer}'" in said


def test_what_the_net_does_not_use_is_reported() -> None:
    assert _load(CASES["extra_and_reordered"]).load_report.unused


def test_a_shared_blob_is_stored_once_and_is_one_tensor() -> None:
    model = _load(CASES["shared_conflict"])
    assert model.params["a"][0] is model.params["b"][0]
    assert sorted(model._table.blobs) == ["a/0", "a/1", "b/1"]


def test_the_files_numbers_arrive_bit_for_bit() -> None:
    case = CASES["plain"]
    net = assemble(read_definition(str(case / "net.prototxt")), Options(), registry())
    with open_weights(case / "w.caffemodel") as source:
        table, _ = fill_table(net.net, plan_slots(net.net, net.layers), [source])
        for layer in source.layers:
            for i, blob in enumerate(layer.blobs):
                out = np.empty(blob.count, np.float32)
                blob.copy_to(out)
                np.testing.assert_array_equal(table.blobs[f"{layer.name}/{i}"].ravel(), out)


def test_hdf5_holds_a_shared_blob_under_its_owner_only(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="HDF5 weights need the hdf5 extra")
    case = CASES["shared_conflict"]
    binary = _load(case)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for key, blob in binary._table.blobs.items():
            file[f"data/{key}"] = blob
    model = Model.load_caffe_model(case / "net.prototxt", tmp_path / "w.h5")
    for layer, blobs in binary.params.items():
        for ours, theirs in zip(model.params[layer], blobs, strict=True):
            np.testing.assert_array_equal(ours.detach(), theirs.detach())
