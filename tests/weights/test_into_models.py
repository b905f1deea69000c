"""Weights into a Model, and into what its to_torch gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bigdl_caffe import CaffeError, CaffeFormatError, Model
from bigdl_caffe.format.arrays import ArrayBlob, ArrayWeights
from bigdl_caffe.format.caffemodel_writer import write_caffemodel
from bigdl_caffe.format.prototxt import read_net
from bigdl_caffe.weights.into_modules import copy_into
from tests.paths import GOLDEN
from tests.weights.chain import LAYERS, assert_unchanged, state
from tests.weights.files import Files


def test_a_model(chain: Files) -> None:
    model = Model.load_caffe_model(chain.prototxt, None)
    before = model.content_hash
    assert Model.load_caffe(model, chain.prototxt, chain.caffemodel) is model
    assert model.content_hash == chain.model().content_hash != before
    assert model.load_report.copied == LAYERS


def test_a_torch_module_of_a_model_and_one_taken_from_it(chain: Files) -> None:
    net = Model.load_caffe_model(chain.prototxt, None).to_torch()
    ip = {"ip": Model.load_caffe_model(chain.prototxt, None).to_torch().get_submodule("ip")}
    Model.load_caffe(net, chain.prototxt, chain.caffemodel)
    Model.load_caffe(ip, chain.prototxt, chain.caffemodel)
    for module in (net.get_submodule("ip"), ip["ip"]):
        assert torch.equal(module.weight, torch.from_numpy(chain.blobs["ip"][0]))


CASES = sorted(path.parent for path in GOLDEN.glob("weights/*/meta.json"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_caffes_own_cases(case: Path) -> None:
    meta = json.loads((case / "meta.json").read_text())
    files = [case / file for file in meta["files"]]
    model = Model.load_caffe_model(case / "net.prototxt", None)
    if not meta["ok"] or case.name == "empty_file":
        before = state(model.to_torch())
        with pytest.raises(CaffeError):
            Model.load_caffe(model, case / "net.prototxt", files, match_all=False)
        assert_unchanged(model.to_torch(), before)
        return
    Model.load_caffe(model, case / "net.prototxt", files, match_all=False)
    with np.load(case / "expect.npz") as expect:
        for key in (key for key in expect if key.startswith("after/")):
            layer, _, index = key.removeprefix("after/").rpartition("/")
            ours = model.params[layer][int(index)].detach().numpy()
            np.testing.assert_array_equal(ours, expect[key], err_msg=key)


def test_layers_of_one_name_take_the_files_in_order(tmp_path: Path) -> None:
    ip = "name: 'ip' type: 'InnerProduct' inner_product_param { num_output: 2 bias_term: false }"
    text = f"""input: 'x' input_shape {{ dim: 1 dim: 2 }}
    layer {{ bottom: 'x' top: 'y' {ip} }} layer {{ bottom: 'y' top: 'z' {ip} }}"""
    prototxt = tmp_path / "twice.prototxt"
    prototxt.write_text(text)
    first, second = np.eye(2, dtype=np.float32), np.full((2, 2), 3, np.float32)
    net = read_net(str(prototxt))
    caffemodel = tmp_path / "twice.caffemodel"
    write_caffemodel(caffemodel, net, [[]] * (len(net.layer) - 2) + [[first], [second]])
    model = Model.load_caffe(Model.load_caffe_model(prototxt, None), prototxt, caffemodel)
    np.testing.assert_array_equal(model.params["ip"][0].detach(), first)
    np.testing.assert_array_equal(model.params["ip"][1].detach(), second)


def test_nothing_changes_when_a_file_breaks_off_while_it_is_read(
    chain: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = iter(range(3))

    def break_off(blob: ArrayBlob, out: NDArray[np.float32]) -> None:
        if next(reads, None) is None:
            raise CaffeFormatError("the file has shrunk", "gone")
        out[:] = 7

    monkeypatch.setattr(ArrayBlob, "copy_to", break_off)
    net = chain.model().to_torch()
    before = state(net)
    with pytest.raises(CaffeFormatError, match="shrunk"):
        copy_into(net, net.net.layers, [ArrayWeights(chain.blobs)])
    assert_unchanged(net, before)
