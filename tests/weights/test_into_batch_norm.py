"""BatchNorm's statistics, and the Scale layers that fold into its weight and bias."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bigdl_caffe import Model, WeightMismatchError
from tests.compare import assert_close_to_caffe
from tests.weights.files import write_files, write_weights


def norm(name: str, bottom: str) -> str:
    return f"""
    layer {{ name: 'bn{name}' type: 'BatchNorm' bottom: '{bottom}' top: '{bottom}' }}
    layer {{ name: 'scale{name}' type: 'Scale' bottom: '{bottom}' top: '{bottom}'
      scale_param {{ bias_term: true }} }}"""


def unit(name: str, bottom: str, channels: int, stride: int = 1) -> str:
    param = f"num_output: {channels} bias_term: false"
    kernel = f"kernel_size: 3 pad: 1 stride: {stride}"

    def conv(which: str, bottom: str, more: str) -> str:
        top = f"res{name}_{which}"
        return f"""layer {{ name: '{top}' type: 'Convolution' bottom: '{bottom}' top: '{top}'
          convolution_param {{ {param} {more} }} }} {norm(f"{name}_{which}", top)}"""

    return f"""
    {conv("branch1", bottom, f"kernel_size: 1 stride: {stride}")}
    {conv("branch2a", bottom, kernel)}
    layer {{ name: 'relu{name}' type: 'ReLU' bottom: 'res{name}_branch2a'
      top: 'res{name}_branch2a' }}
    {conv("branch2b", f"res{name}_branch2a", "kernel_size: 3 pad: 1")}
    layer {{ name: 'sum{name}' type: 'Eltwise' bottom: 'res{name}_branch1'
      bottom: 'res{name}_branch2b' top: 'sum{name}' }}
    layer {{ name: 'out{name}' type: 'ReLU' bottom: 'sum{name}' top: 'sum{name}' }}"""


RESIDUAL = f"""input: 'data' input_shape {{ dim: 2 dim: 3 dim: 16 dim: 16 }}
{unit("2a", "data", 8)} {unit("3a", "sum2a", 12, 2)}
layer {{ name: 'pool' type: 'Pooling' bottom: 'sum3a' top: 'pool'
  pooling_param {{ pool: AVE global_pooling: true }} }}
layer {{ name: 'fc' type: 'InnerProduct' bottom: 'pool' top: 'fc'
  inner_product_param {{ num_output: 5 }} }}
"""


def test_a_residual_net(tmp_path: Path) -> None:
    files = write_files(tmp_path, RESIDUAL)
    module = Model.load_caffe(ResNet().eval(), files.prototxt, files.caffemodel)
    assert not module.load_report.remarkable
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype(np.float32)
    with torch.no_grad():
        assert_close_to_caffe(module(torch.from_numpy(x)), files.model().forward(x))


NET = """input: 'x' input_shape { dim: 1 dim: 3 dim: 2 dim: 2 }
layer { name: 'bn' type: 'BatchNorm' bottom: 'x' top: 'y' }
layer { name: 'scale' type: 'Scale' bottom: 'y' top: 'z' scale_param { bias_term: true } }
"""


def test_the_factor_divides_and_0_makes_0(tmp_path: Path) -> None:
    files = write_files(tmp_path, NET)
    mean, variance, factor = files.blobs["bn"]
    module = Model.load_caffe({"bn": nn.BatchNorm2d(3)}, files.prototxt, files.caffemodel)["bn"]
    np.testing.assert_allclose(module.running_mean, mean / factor, rtol=1e-6)
    np.testing.assert_allclose(module.running_var, variance / factor, rtol=1e-6)
    factor[:] = 0
    write_weights(files.prototxt, files.caffemodel, files.blobs)
    Model.load_caffe({"bn": module}, files.prototxt, files.caffemodel)
    assert not module.running_mean.any()
    assert not module.running_var.any()


@pytest.mark.parametrize(
    "between",
    [
        "layer { name: 'r' type: 'ReLU' bottom: 'y' top: 'y' }",
        "layer { name: 's2' type: 'Scale' bottom: 'y' top: 'w' }",
        "layer { name: 'p' type: 'Power' bottom: 'x' top: 'w' }",
    ],
)
def test_a_scale_that_is_not_the_norms_own_does_not_fold(between: str, tmp_path: Path) -> None:
    bottom = "'w'" if "Power" in between else "'y'"
    head, scale = NET.split("layer { name: 'scale'")
    scale = scale.replace("bottom: 'y'", f"bottom: {bottom}")
    text = f"{head}{between}\nlayer {{ name: 'scale'{scale}"
    files = write_files(tmp_path, text)
    with pytest.raises(WeightMismatchError, match="affine=False"):
        Model.load_caffe({"bn": nn.BatchNorm2d(3)}, files.prototxt, files.caffemodel)
    module = nn.BatchNorm2d(3)
    with torch.no_grad():
        module.weight.fill_(7)
    Model.load_caffe({"bn": module}, files.prototxt, files.caffemodel, match_all=False)
    assert torch.equal(module.weight, torch.full((3,), 7.0))
    assert module.running_mean.all()


def test_a_scale_with_a_module_of_its_own_does_not_fold(tmp_path: Path) -> None:
    files = write_files(tmp_path, NET)
    model = {"bn": nn.BatchNorm2d(3, affine=False), "scale": Affine()}
    Model.load_caffe(model, files.prototxt, files.caffemodel)
    np.testing.assert_array_equal(model["scale"].factor.detach(), files.blobs["scale"][0])
    with pytest.raises(WeightMismatchError, match="affine=False"):
        Model.load_caffe(
            {"bn": nn.BatchNorm2d(3), "scale": Affine()}, files.prototxt, files.caffemodel
        )


def test_a_norm_without_weights_leaves_the_scale_unused(tmp_path: Path) -> None:
    files = write_files(tmp_path, NET)
    module = nn.Sequential(OrderedDict(bn=nn.BatchNorm2d(3, affine=False)))
    Model.load_caffe(module, files.prototxt, files.caffemodel)
    assert module.load_report.unused == ("scale",)


class Affine(nn.Module):
    """A module of no class that torch or this package knows."""

    caffe_blobs = ("factor", "addend")

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(3))
        self.addend = nn.Parameter(torch.zeros(3))


class ResNet(nn.Module):
    """The net RESIDUAL, flat and under the names of Caffe's ResNets, without the Scales."""

    def __init__(self) -> None:
        super().__init__()
        for name, inputs, outputs, stride in (("2a", 3, 8, 1), ("3a", 8, 12, 2)):
            branches = {
                "branch1": nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                "branch2a": nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                "branch2b": nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            }
            for which, conv in branches.items():
                self.add_module(f"res{name}_{which}", conv)
                self.add_module(f"bn{name}_{which}", nn.BatchNorm2d(outputs))
        self.fc = nn.Linear(12, 5)

    def branch(self, name: str, x: Tensor) -> Tensor:
        conv, norm = self.get_submodule(f"res{name}"), self.get_submodule(f"bn{name}")
        top: Tensor = norm(conv(x))
        return top

    def forward(self, x: Tensor) -> Tensor:
        for name in ("2a", "3a"):
            inner = self.branch(f"{name}_branch2a", x).relu()
            x = (self.branch(f"{name}_branch1", x) + self.branch(f"{name}_branch2b", inner)).relu()
        top: Tensor = self.fc(x.mean((2, 3)))
        return top
