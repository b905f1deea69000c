"""Which layer is the first where two models part, and that none is where they do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.verify import compare, make_feed
from tests.nets import digits, net
from tests.verify.nets import DATA, conv, layer, weights_of


def test_a_model_is_equal_to_itself_and_to_a_copy() -> None:
    model = digits()
    for other in (model, digits()):
        found = compare(model, other)
        assert found.equal
        assert found.first is None
        assert [row.error for row in found.rows] == [0] * 10
        assert found.only_a == found.only_b == ()


@pytest.mark.parametrize("changed", ["conv1", "conv2", "ip1", "ip2"])
def test_the_layer_whose_weights_differ_is_the_first(changed: str) -> None:
    other = digits()
    other.params[changed][0].data[1].mul_(1.01)
    found = compare(digits(), other)
    assert found.first == changed
    assert f"part at layer '{changed}'" in str(found)
    assert all(row.error == 0 for row in found.rows[: found.rows.index(found.departures[0])])


def test_the_worst_element_is_named(tmp_path: Path) -> None:
    one, two = (net(tmp_path, DATA + conv()) for _ in range(2))
    weights_of(two, one, {"conv": "conv"})
    two.params["conv"][1].data[2] += 5
    (row,) = compare(one, two).rows
    assert row.index is not None
    assert row.index[1] == 2
    assert row.a is not None
    assert row.b == pytest.approx(row.a + 5)


def test_a_layer_in_place_is_told_from_the_one_before(tmp_path: Path) -> None:
    relu = layer("relu", "ReLU", "conv", "conv")
    leaky = layer("relu", "ReLU", "conv", "conv", "relu_param { negative_slope: 0.1 }")
    one, two = net(tmp_path, DATA + conv() + relu), net(tmp_path, DATA + conv() + leaky)
    weights_of(two, one, {"conv": "conv"})
    found = compare(one, two)
    assert [(row.blob, row.departs) for row in found.rows] == [("conv~0", False), ("conv", True)]
    assert found.first == "relu"


def test_what_another_name_shows_is_its_changers_doing(tmp_path: Path) -> None:
    flat = layer("flat", "Flatten", "conv", "flat")
    texts = [
        DATA + conv() + flat + layer("r", "ReLU", "conv", "conv", f"relu_param {{ {slope} }}")
        for slope in ("", "negative_slope: 0.5")
    ]
    one, two = (net(tmp_path, text) for text in texts)
    weights_of(two, one, {"conv": "conv"})
    found = compare(one, two)
    assert {row.blob: row.layer for row in found.departures} == {"conv": "r", "flat": "r"}


def test_folding_is_no_difference(tmp_path: Path) -> None:
    """conv~0 is the plain convolution in one net and the folded one in the other."""
    norm = layer("bn", "BatchNorm", "conv", "conv") + layer(
        "scale", "Scale", "conv", "conv", "scale_param { bias_term: true }"
    )
    relu = layer("relu", "ReLU", "conv", "conv")
    full = net(tmp_path, DATA + conv() + norm + relu)
    folded = net(tmp_path, DATA + conv() + relu)
    mean, variance, factor = full.params["bn"]
    mean.data.fill_(0.5), variance.data.fill_(4), factor.data.fill_(1)
    weight, bias = folded.params["conv"]
    weight.data.copy_(full.params["conv"][0] / (4 + 1e-5) ** 0.5)
    bias.data.copy_((full.params["conv"][1] - 0.5) / (4 + 1e-5) ** 0.5)
    found = compare(full, folded)
    assert found.equal
    assert [row.blob for row in found.rows] == ["conv"]
    assert (found.only_a, found.only_b) == (("conv~0", "conv~1", "conv~2"), ("conv~0",))
    assert "not compared, only in A: 3 of what compared blobs hold before their end" in str(found)


def test_layers_of_other_names_are_matched_by_their_blobs(tmp_path: Path) -> None:
    one = net(tmp_path, DATA + conv() + layer("neg", "Power", "conv", "neg"))
    two = net(tmp_path, DATA + conv(name="c") + layer("extra", "AbsVal", "conv", "abs"))
    weights_of(two, one, {"c": "conv"})
    found = compare(one, two)
    assert [(row.layer, row.blob) for row in found.rows] == [("conv", "conv")]
    assert (found.only_a, found.only_b) == (("neg",), ("abs",))
    assert str(found).endswith("not compared, only in A: neg\nnot compared, only in B: abs")
    assert found.equal


def test_other_shapes_part(tmp_path: Path) -> None:
    one = net(tmp_path, DATA + layer("ip", "InnerProduct", "data", "y", IP.format(3)))
    two = net(tmp_path, DATA + layer("ip", "InnerProduct", "data", "y", IP.format(4)))
    found = compare(one, two)
    assert found.first == "ip"
    assert "shape 2×3 in A, 2×4 in B" in str(found)
    assert json.loads(found.to_json())["rows"][0]["error"] is None


IP = 'inner_product_param {{ num_output: {} weight_filler {{ type: "xavier" }} }}'


def test_a_net_with_random_layers_draws_the_same(tmp_path: Path) -> None:
    text = DATA + layer("drop", "Dropout", "data", "y", "dropout_param { dropout_ratio: 0.5 }")
    one, two = (net(tmp_path, text, phase="TRAIN") for _ in range(2))
    assert compare(one, two).equal
    assert not np.array_equal(*(one.run(make_feed(one), ["y"])["y"] for _ in range(2)))
