"""What is saved is the same net, with the weights as they are."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe import CaffeError, Model, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import read_net
from bigdl_caffe.format.source import open_weights
from tests.layers.golden import Case, cases
from tests.nets import digits, net
from tests.saving import (
    assert_same_blobs,
    assert_same_but_for_inputs,
    assert_same_net,
    assert_same_text,
    holds_in_v1,
    saved_again,
)

LOADED = [case for case in cases() if not case.meta["error"]]


def params(found: list[Case]) -> list[object]:
    return [pytest.param(case, id=case.name) for case in found]


@pytest.fixture
def loaded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Return the model of a golden case, which may name files in its folder."""
    monkeypatch.chdir(request.param.folder)
    model: Model = request.param.load()
    return model


@pytest.mark.parametrize("loaded", params(LOADED), indirect=True)
def test_golden_nets_are_the_same_again(loaded: Model, tmp_path: Path) -> None:
    assert_same_text(loaded.net.definition)
    again = saved_again(loaded, tmp_path)
    assert_same_net(loaded.net, again.net)
    assert_same_blobs(loaded, again)


@pytest.mark.parametrize("loaded", params(LOADED), indirect=True)
def test_golden_nets_are_the_same_through_v1(loaded: Model, tmp_path: Path) -> None:
    if not holds_in_v1(loaded.net.definition):
        with pytest.raises(UnsupportedLayerError, match="use_v2=True"):
            loaded.save_caffe(tmp_path / "x", tmp_path / "y", use_v2=False)
        assert list(tmp_path.iterdir()) == []
        return
    again = saved_again(loaded, tmp_path, use_v2=False)
    assert_same_but_for_inputs(loaded.net, again.net)
    assert_same_blobs(loaded, again)


SHARING = [case for case in LOADED if case.name.startswith("Net/") and "dup" not in case.name]


@pytest.mark.parametrize("loaded", params(SHARING), indirect=True)
def test_golden_nets_are_the_same_through_hdf5(loaded: Model, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    assert_same_blobs(loaded, saved_again(loaded, tmp_path, ".caffemodel.h5"))


def test_shared_blobs_are_in_every_layer_but_in_hdf5_with_their_owner(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    layer = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "{1}" top: "{0}" '
        'param {{ name: "w" }} inner_product_param {{ num_output: 3 }} }}'
    )
    text = (
        'input: "x" input_shape { dim: 1 dim: 3 }' + layer.format("a", "x") + layer.format("b", "a")
    )
    model = net(tmp_path, text)
    for suffix, indices in ((".caffemodel", [[0, 1], [0, 1]]), (".h5", [[0, 1], [1]])):
        model.save_caffe(tmp_path / "p", tmp_path / f"w{suffix}", overwrite=True)
        with open_weights(tmp_path / f"w{suffix}") as source:
            found = {layer.name: list(layer.indices) for layer in source.layers if layer.blobs}
        assert found == {"a": indices[0], "b": indices[1]}


def test_changed_weights_are_what_is_saved(tmp_path: Path) -> None:
    model = digits()
    module = model.to_torch()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    (shape,) = model.inputs.values()
    module({"data": torch.rand(shape)})["prob"][0, 0].backward()
    optimizer.step()
    again = saved_again(model, tmp_path)
    assert_same_blobs(model, again)
    assert not torch.equal(again.params["ip2"][1], digits().params["ip2"][1])


def test_weights_keep_every_bit(tmp_path: Path) -> None:
    model = digits()
    bias = model.params["conv1"][1].detach().numpy().view(np.uint32)
    bias[:3] = [0x7FC12345, 0x7F812345, 0x80000000]  # a quiet NaN, a signalling one, -0
    for suffix in (".caffemodel", ".caffemodel.h5"):
        folder = tmp_path / suffix
        folder.mkdir()
        assert_same_blobs(model, saved_again(model, folder, suffix))


def test_data_losses_and_rules_stay(tmp_path: Path) -> None:
    text = """
    name: "t" strange: 7
    layer { name: "d" type: "MemoryData" top: "x" top: "y" include { phase: TRAIN }
            memory_data_param { batch_size: 2 channels: 1 height: 2 width: 2 } }
    layer { name: "d" type: "MemoryData" top: "x" top: "y" include { phase: TEST stage: "s" }
            memory_data_param { batch_size: 1 channels: 1 height: 2 width: 2 }
            magic { a: "\\351" } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
            inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" }
    """
    model = net(tmp_path, text, stages=["s"])
    again = saved_again(model, tmp_path)
    assert_same_net(model.net, again.net)
    assert_same_text(model.net.definition)
    assert len(read_net(tmp_path / "saved.prototxt").layer) == 4
    train = Model.load_caffe_model(
        tmp_path / "saved.prototxt", tmp_path / "saved.caffemodel", phase="TRAIN"
    )
    assert train.net.losses


def test_layers_left_out_of_the_model_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    layer = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "x" top: "{0}" {1} '
        "inner_product_param {{ num_output: 3 }} }}"
    )
    rule = "include { phase: TRAIN }"
    head = 'input: "x" input_shape { dim: 1 dim: 3 }' + layer.format("main", "")
    whole = net(tmp_path, head + layer.format("aux", rule), phase="TRAIN")
    whole.save_caffe(tmp_path / "p", tmp_path / "w")
    test = Model.load_caffe_model(tmp_path / "p", tmp_path / "w")
    test.save_caffe(tmp_path / "p2", tmp_path / "w2")
    assert "weights are not saved: aux" in caplog.text


def test_what_is_there_stays_without_overwrite(tmp_path: Path) -> None:
    for there in ("p", "w"):
        (tmp_path / there).write_text("mine")
        with pytest.raises(FileExistsError, match=f"{there} exists: pass overwrite=True"):
            digits().save_caffe(tmp_path / "p", tmp_path / "w")
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]
        (tmp_path / there).unlink()


def test_v1_says_every_layer_that_it_lacks_before_anything_is_written(tmp_path: Path) -> None:
    text = """
    input: "x" input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }
    layer { name: "p" type: "PReLU" bottom: "x" top: "p" }
    layer { name: "s" type: "Scale" bottom: "p" top: "s" }
    """
    with pytest.raises(UnsupportedLayerError) as caught:
        net(tmp_path, text).save_caffe(tmp_path / "a", tmp_path / "b", use_v2=False)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "layer 'p' (PReLU)",
        "layer 's' (Scale)",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["net.prototxt"]


def test_v1_files_are_v1(tmp_path: Path) -> None:
    text = 'input: "x" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 3 ' + (
        'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" '
        "inner_product_param { num_output: 4 } }"
    )
    net(tmp_path, text).save_caffe(tmp_path / "p", tmp_path / "w", use_v2=False)
    definition = read_net(tmp_path / "p")
    binary = pb.NetParameter.FromString((tmp_path / "w").read_bytes())
    for old in (definition, binary):
        assert old.layers
        assert not old.layer
    assert list(definition.input_dim) == [1, 2, 3, 3]
    weight, bias = next(layer for layer in binary.layers if layer.blobs).blobs
    assert (weight.height, weight.width, bias.width) == (4, 18, 4)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match="no such file"):
        digits().save_caffe(tmp_path / "p", tmp_path / "nowhere" / "w")
    assert list(tmp_path.iterdir()) == []


def named(model: Model, name: str) -> Model:
    """Return ``model`` with a name and a bias that no other has."""
    model.net.definition.name = name
    with torch.no_grad():
        model.params["ip2"][1].fill_(float(name))
    return model


def save_until_killed(models: Iterable[Model], files: list[Path], seconds: float) -> None:
    """Save one model after another over the other's files in a process, and kill that."""
    child = os.fork()
    if not child:
        for model in models:
            model.save_caffe(*files, overwrite=True)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_save_killed_at_any_moment_leaves_one_pair_or_the_other(tmp_path: Path) -> None:
    """Fifty times by chance; tests/format/test_together.py kills at every single step."""
    models, files = [named(digits(), str(i)) for i in range(2)], [tmp_path / "p", tmp_path / "w"]
    whole = []
    for model in models:
        start = time.monotonic()
        model.save_caffe(*files, overwrite=True)
        once = time.monotonic() - start
        whole.append([file.read_bytes() for file in files])
    chance, now = random.Random(0), 1
    for _ in range(50):
        others = itertools.cycle([models[1 - now], models[now]])
        save_until_killed(others, files, chance.uniform(0, 2 * once))
        now = whole.index([file.read_bytes() for file in files])
    models[0].save_caffe(*files, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "w"]
    assert not any(file.is_symlink() for file in files)
