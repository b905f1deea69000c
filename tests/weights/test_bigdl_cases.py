"""BigDL's own cases of loading into a model (CaffeLoaderSpec, test_load_caffe.py)."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bigdl_caffe import Layer, Model, WeightMismatchError
from tests.compare import assert_close_to_caffe
from tests.paths import SHARED, needs_models
from tests.weights.chain import CONV, state
from tests.weights.files import Files, write_files

TEXT = f"""
input: 'data' input_shape {{ dim: 1 dim: 3 dim: 5 dim: 5 }}
layer {{ name: 'conv' bottom: 'data' top: 'conv' {CONV} }}
layer {{ name: 'conv2' bottom: 'conv' top: 'conv2'
  {CONV.replace("num_output: 4", "num_output: 3")} }}
layer {{ name: 'ip' type: 'InnerProduct' bottom: 'conv2' top: 'out'
  inner_product_param {{ num_output: 2 bias_term: false }} }}
DUMMY
layer {{ name: 'prob' type: 'Softmax' bottom: 'LAST' top: 'prob' }}
"""
DUMMY = "layer { name: 'customized' type: 'Dummy' bottom: 'out' top: 'dummy' }"


@pytest.fixture(params=["twin", pytest.param("real", marks=needs_models)])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    plain = TEXT.replace("DUMMY", "").replace("LAST", "out")
    twin = write_files(tmp_path, plain)
    if request.param == "twin":
        twin.prototxt.write_text(TEXT.replace("DUMMY", DUMMY).replace("LAST", "dummy"))
        return twin
    folder = SHARED / "models" / "bigdl_test"
    model = Model.load_caffe_model(twin.prototxt, folder / "weights.caffemodel")
    blobs = {k: [b.detach().numpy() for b in v] for k, v in model.params.items()}
    return Files(folder / "deploy.prototxt", folder / "weights.caffemodel", blobs)


def model(second: str = "conv2") -> nn.Sequential:
    layers = [
        ("conv", nn.Conv2d(3, 4, 2)),
        (second, nn.Conv2d(4, 3, 2)),
        ("view", nn.Flatten()),
        ("ip", nn.Linear(27, 2, bias=False)),
        ("prob", nn.Softmax(1)),
    ]
    return nn.Sequential(OrderedDict(layers))


def check(module: nn.Module, files: Files, names: dict[str, str]) -> None:
    for name, layer in names.items():
        its = [p.detach().numpy() for p in module.get_submodule(name).parameters()]
        for ours, theirs in zip(its, files.blobs[layer], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_all_parameters(files: Files) -> None:
    module = Model.load_caffe(model(), files.prototxt, files.caffemodel)
    check(module, files, {"conv": "conv", "conv2": "conv2", "ip": "ip"})


def test_some_parameters(files: Files) -> None:
    module = model("conv3")
    before = state(module)
    Model.load_caffe(module, files.prototxt, files.caffemodel, match_all=False)
    check(module, files, {"conv": "conv", "ip": "ip"})
    assert torch.equal(module.conv3.weight, before["conv3.weight"])
    assert not np.allclose(module.conv3.weight.detach(), files.blobs["conv2"][0])
    assert module.load_report.kept == ("conv3",)
    assert module.load_report.unused == ("conv2",)


def test_a_module_without_a_layer_is_an_error(files: Files) -> None:
    with pytest.raises(WeightMismatchError, match=r"conv3.*near: .*conv2"):
        Model.load_caffe(model("conv3"), files.prototxt, files.caffemodel)


def test_a_linear_of_other_axes_is_a_reshape(files: Files) -> None:
    module = nn.Sequential(OrderedDict(ip=nn.Linear(2, 27, bias=False)))
    with pytest.raises(WeightMismatchError, match="allow_reshape=True"):
        Model.load_caffe(module, files.prototxt, files.caffemodel)
    Model.load_caffe(module, files.prototxt, files.caffemodel, allow_reshape=True)
    np.testing.assert_array_equal(module.ip.weight.detach().ravel(), files.blobs["ip"][0].ravel())
    assert module.load_report.reshaped == ("ip",)


def test_it_computes_what_the_loaded_net_does(files: Files) -> None:
    class Dummy(Layer):
        def module(self, bottoms: Any) -> nn.Module:
            return nn.Identity()

    net = Model.load_caffe_model(
        files.prototxt, files.caffemodel, converters={"Dummy": Dummy}, outputs=["prob"]
    )
    module = Model.load_caffe(model(), files.prototxt, files.caffemodel)
    x = np.random.default_rng(0).standard_normal((1, 3, 5, 5)).astype(np.float32)
    with torch.no_grad():
        assert_close_to_caffe(module(torch.from_numpy(x)), net.forward(x))
