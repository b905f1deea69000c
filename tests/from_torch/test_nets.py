"""Whole nets: the module's numbers, from files too, and in OpenCV."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bigdl_caffe import Model
from tests.compare import assert_close_to_caffe
from tests.from_torch.classifiers import CLASSIFIERS
from tests.from_torch.compare import hold, other, reloaded, same_numbers, shaken, traced
from tests.from_torch.others import OTHERS

UNKNOWN_TO_OPENCV = {"MobileNetV2", "MobileNetV3"}
"""It has no Clip."""


NETS = {name: (net, torch.randn(2, 3, size, size)) for name, (net, size) in CLASSIFIERS.items()}
NETS |= OTHERS


@cache
def net(name: str) -> Model:
    return Model.from_torch(shaken(NETS[name][0]), (NETS[name][1],))


@pytest.mark.parametrize("name", NETS)
def test_it_gives_the_modules_numbers(name: str) -> None:
    module, x = NETS[name]
    hold(net(name), module, [x])
    hold(net(name), module, [other(x)])


@pytest.mark.parametrize("name", NETS)
def test_its_files_give_them_too(name: str, tmp_path: Path) -> None:
    same_numbers(net(name), reloaded(net(name), tmp_path))


@pytest.mark.parametrize("name", sorted(CLASSIFIERS.keys() - UNKNOWN_TO_OPENCV))
def test_opencv_reads_it(name: str, tmp_path: Path) -> None:
    module, x = NETS[name]
    paths = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    net(name).save_caffe(*paths)
    read = cv2.dnn.readNetFromCaffe(*map(str, paths))
    read.setInput(x.numpy())
    with torch.no_grad():
        wanted = module.eval()(x)
    assert_close_to_caffe(read.forward(net(name).outputs[0]), wanted.numpy(), 1e-4)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_batch_may_be_another(name: str) -> None:
    hold(net(name), NETS[name][0], [torch.randn(3, *NETS[name][1].shape[1:])])


@pytest.mark.parametrize("name", ["ResNet", "SqueezeNet", "GoogLeNet", "DenseNet", "ShuffleNet"])
def test_the_picture_may_be_larger(name: str) -> None:
    """Where torch's pooling rounds down and Caffe's up, they part at some sizes only."""
    module, x = NETS[name]
    hold(net(name), module, [torch.randn(2, 3, x.shape[2] + 16, x.shape[3] + 32)])


def test_an_lstm_fits_other_lengths_and_batches() -> None:
    module = Steps()
    model = Model.from_torch(module, torch.randn(3, 2, 4))
    hold(model, module, [torch.randn(7, 5, 4)])


class Steps(nn.Module):
    """Every step of an LSTM that begins with zeros whatever it ended with before."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


def test_an_lstm_begins_anew_with_each_pass() -> None:
    model = Model.from_torch(Steps(), torch.randn(3, 2, 4))
    feed = {"x": np.ones((3, 2, 4))}
    np.testing.assert_array_equal(*(model.run(feed)["lstm"] for _ in range(2)))


def test_the_weights_go_back_by_name(tmp_path: Path) -> None:
    module, _ = NETS["ResNet"]
    paths = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    net("ResNet").save_caffe(*paths)
    fresh = type(module)()
    Model.load_caffe(fresh, *paths)
    for name, tensor in module.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(fresh.state_dict()[name], tensor)


class Two(nn.Module):
    """What is read again behind an operation in place, and an output that is read again."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = x * 2
        z = y.relu_()
        return {"sum": y + z, "relu": z, "same": x}


def test_in_place_operations_are_seen_by_all() -> None:
    model = traced(Two(), torch.randn(2, 3))
    assert model.outputs == ("relu", "same", "sum")


def test_tracing_changes_nothing() -> None:
    module = shaken(nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), Steps()))
    module[1].eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    model = Model.from_torch(module, torch.randn(5, 4, 4))
    model.params["0"][0].zero_()
    assert [child.training for child in module] == [True, False, True]
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])
