"""What BigDL's names do to a model: weights in and out, freezing, shorter graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe import CaffeError, Model, WeightMismatchError
from bigdl_caffe.nodes import InnerProduct, Input, ReLU, from_nodes
from tests.nets import digits, net

XAVIER = {"type": "xavier"}
ROWS = np.random.default_rng(3).standard_normal((5, 4)).astype(np.float32)


def two_layers(**how: Any) -> Model:
    """Return x -> fc1 -> relu -> fc2, of 4, 3 and 2 numbers a row."""
    x = Input("x", shape=(1, 4))
    fc1 = InnerProduct(name="fc1", num_output=3, weight_filler=XAVIER)(x)
    fc2 = InnerProduct(name="fc2", num_output=2, weight_filler=XAVIER)(ReLU(name="relu")(fc1))
    return from_nodes(x, fc2, **how)


def test_weights_go_out_and_in() -> None:
    model, other = two_layers(), two_layers()
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.forward(ROWS), other.forward(ROWS))
    assert other.content_hash == model.content_hash
    before = other.content_hash
    other.set_weights([w + 1 for w in model.get_weights()])
    assert other.content_hash != before


def test_weights_that_do_not_fit_change_nothing() -> None:
    model = two_layers()
    before = model.get_weights()
    with pytest.raises(WeightMismatchError) as caught:
        model.set_weights([np.ones((3, 4)), np.ones(9), np.ones((2, 3)), np.ones(9)])
    assert len(caught.value.problems) == 2
    with pytest.raises(WeightMismatchError, match="1 arrays are given for 4"):
        model.set_weights([1])
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def learning(model: Model) -> dict[str, list[bool]]:
    return {name: [blob.requires_grad for blob in blobs] for name, blobs in model.params.items()}


def test_frozen_layers_do_not_learn() -> None:
    model = two_layers()
    assert model.freeze("fc1") is model
    assert learning(model) == {"fc1": [False, False], "fc2": [True, True]}
    model.to_torch()({"x": torch.tensor(ROWS)})["fc2"].sum().backward()
    assert model.params["fc1"][0].grad is None
    assert model.params["fc2"][0].grad is not None
    assert learning(model.unfreeze()) == {"fc1": [True, True], "fc2": [True, True]}
    assert learning(model.freeze()) == {"fc1": [False, False], "fc2": [False, False]}
    assert learning(model.unfreeze().freeze_up_to(["relu"])) == learning(two_layers().freeze("fc1"))


def test_statistics_learn_from_no_gradient(tmp_path: Path) -> None:
    text = """input: "x" input_shape { dim: 1 dim: 2 }
    layer { name: "bn" type: "BatchNorm" bottom: "x" top: "y" }"""
    assert learning(net(tmp_path, text).unfreeze()) == {"bn": [False] * 3}


def test_layers_to_freeze_have_to_be_there() -> None:
    with pytest.raises(CaffeError) as caught:
        two_layers().freeze(["fc1", "fc3", "fc4"])
    assert len(caught.value.problems) == 2


def test_a_new_graph_ends_sooner_over_the_same_weights() -> None:
    model = two_layers()
    part = model.new_graph(["relu", "fc1"])
    assert part.outputs == ("relu", "fc1")
    assert [layer.name for layer in part.net.layers] == ["x", "fc1", "relu"]
    tops = model.run({"x": ROWS}, ["relu", "fc1"])
    np.testing.assert_array_equal(part.forward(ROWS)[0], tops["relu"])
    model.params["fc1"][0].data.zero_()
    assert not part.params["fc1"][0].any()
    with pytest.raises(CaffeError, match="no blob 'fc9'"):
        model.new_graph("fc9")


def test_a_new_graph_of_a_net_that_drops_layers_and_works_in_place(tmp_path: Path) -> None:
    text = """layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "l" type: "Input" top: "label" input_param { shape { dim: 2 } } }
    layer { name: "a" type: "InnerProduct" bottom: "x" top: "a"
      inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
    layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
    layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" }
      inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
    layer { name: "c" type: "InnerProduct" bottom: "a" top: "c" param { name: "w" }
      inner_product_param { num_output: 2 } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" top: "loss" }"""
    model, x = net(tmp_path, text), {"x": np.ones((2, 3), np.float32)}
    for blob in ("a", "b", "c"):  # c's weight is b's, which the net up to c does not have
        part = model.new_graph(blob)
        np.testing.assert_array_equal(part.run(x)[blob], model.run(x, [blob])[blob])
        part.write_bundle(tmp_path / "part.arrow")
        again = Model.open_bundle(tmp_path / "part.arrow")
        np.testing.assert_array_equal(again.run(x)[blob], part.run(x)[blob])
    assert model.new_graph("r").outputs == ("a",), "a layer's name stands for its tops"


def test_models_evaluate_unless_they_train() -> None:
    model = digits()
    assert model.evaluate() is model
    with pytest.raises(CaffeError, match="phase='TEST'"):
        two_layers(phase="TRAIN").evaluate()
