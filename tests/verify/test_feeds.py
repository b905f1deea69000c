"""What two models are run on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import CaffeError
from bigdl_caffe.verify import compare, make_feed, read_feed
from tests.nets import TWO_IN, digits, net
from tests.paths import REPO
from tests.verify.nets import DATA, conv, weights_of

PICTURE = REPO / "examples" / "digits" / "images" / "0028.png"


def test_random_inputs_are_seeded() -> None:
    model = digits()
    one, same, other = (make_feed(model, seed)["data"] for seed in (1, 1, 2))
    assert one.shape == model.inputs["data"]
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_inputs_that_are_indices_or_marks(tmp_path: Path) -> None:
    text = """
    input: "words" input_shape { dim: 4 dim: 2 } input: "cont" input_shape { dim: 4 dim: 2 }
    layer { name: "e" type: "Embed" bottom: "words" top: "e"
      embed_param { input_dim: 5 num_output: 3 weight_filler { type: "uniform" } } }
    layer { name: "l" type: "LSTM" bottom: "e" bottom: "cont" top: "l"
      recurrent_param { num_output: 2 weight_filler { type: "uniform" } } }
    layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2 } } }
    layer { name: "r" type: "BatchReindex" bottom: "l" bottom: "d" top: "r" }
    """
    model = net(tmp_path, text)
    feed = make_feed(model)
    assert set(feed) == {"words", "cont"}
    assert set(np.unique(feed["words"])) <= set(range(5))
    np.testing.assert_array_equal(feed["cont"], [[0, 0], [1, 1], [1, 1], [1, 1]])
    assert compare(model, model).equal, "the state of the LSTM is not carried on"


def test_labels_are_classes(tmp_path: Path) -> None:
    text = TWO_IN + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "sum" bottom: "y" }'
    model = net(tmp_path, 'input: "y" input_shape { dim: 2 }' + text, phase="TRAIN")
    assert not make_feed(model)["y"].any()
    assert compare(model, model).equal


def test_a_picture_is_an_input() -> None:
    model = digits()
    feed = read_feed(model, PICTURE)
    assert feed["data"].shape == (1, 1, 8, 8)
    assert len(compare(model, digits(), feed=PICTURE).rows[0].shape) == 4


def test_inputs_of_other_names_are_taken_in_order(tmp_path: Path) -> None:
    one, two = net(tmp_path, DATA + conv()), net(tmp_path, (DATA + conv()).replace("data", "image"))
    weights_of(two, one, {"conv": "conv"})
    assert compare(one, two).equal


def test_inputs_that_cannot_be_the_same(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match="they cannot be run on the same input"):
        compare(net(tmp_path, DATA + conv()), net(tmp_path, TWO_IN))
    smaller = DATA.replace("dim: 3", "dim: 2")
    with pytest.raises(CaffeError, match="conv"):
        compare(net(tmp_path, DATA + conv()), net(tmp_path, smaller + conv()))


def test_an_input_that_only_one_net_has(tmp_path: Path) -> None:
    less = TWO_IN.replace('bottom: "b"', 'bottom: "a"')
    one, two = net(tmp_path, TWO_IN), net(tmp_path, less)
    assert compare(one, two).first == "sum"
    assert compare(two, one, feed=make_feed(one)).first == "sum"
