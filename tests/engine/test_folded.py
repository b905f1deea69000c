"""The net that is sent: what is folded and cut, and what is left as it is."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe import Model
from bigdl_caffe.engine.folded import folded
from tests.engine.compare import assert_close
from tests.engine.test_passes import INPUT, act, conv
from tests.layers.pylayers import CONVERTERS
from tests.nets import net

SCALE = 'scale_param { bias_term: true filler { type: "gaussian" std: 1 } }'
BLOCK = [conv("x", "c"), act("BatchNorm", "c"), act("Scale", "c", "", SCALE), act("ReLU", "c")]
NAMES = ["Convolution c", "ReLU c"]


def layers(model: Model) -> list[str]:
    return [layer.name for layer in model.net.layers if layer.bottoms]


def agree(model: Model, made: Model, fetch: list[str]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 5), np.float32)
    want, got = (one.run({"x": x}, fetch) for one in (model, made))
    for blob in fetch:
        assert_close(got[blob], want[blob], blob)


def test_what_follows_a_convolution_is_folded(tmp_path: Path) -> None:
    model = net(tmp_path, "\n".join([INPUT, *BLOCK]))
    made = folded(model, ["c"])
    assert layers(made) == NAMES
    agree(model, made, ["c"])
    assert folded(model, ["c"]) is made


def test_what_nothing_asks_for_falls_away(tmp_path: Path) -> None:
    model = net(tmp_path, "\n".join([INPUT, *BLOCK, conv("c", "d"), conv("c", "e")]))
    made = folded(model, ["d"])
    assert layers(made) == [*NAMES, "Convolution d"]
    agree(model, made, ["d"])


SHARED = 'param { name: "w" } param { name: "b" }'
KEPT: dict[str, list[str]] = {
    "two readers": [conv("x", "c"), act("BatchNorm", "c", "n"), act("ReLU", "c", "r")],
    "one name": [BLOCK[0], BLOCK[1], conv("c", "d").replace("Convolution d", "Convolution c")],
    "nothing to fold": [conv("x", "c"), act("ReLU", "c")],
    "shared": [
        each.replace("convolution_param", f"{SHARED} convolution_param")
        for each in (conv("x", "c"), act("BatchNorm", "c"), conv("c", "d"))
    ],
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_left(name: str, tmp_path: Path) -> None:
    model = net(tmp_path, "\n".join([INPUT, *KEPT[name]]))
    assert folded(model, model.outputs) is model
    assert folded(model, model.outputs) is model


def test_values_before_an_in_place_layer_are_left(tmp_path: Path) -> None:
    model = net(tmp_path, "\n".join([INPUT, *BLOCK]))
    assert folded(model, ["c~0"]) is model


def test_nets_of_the_train_phase_are_left(tmp_path: Path) -> None:
    model = net(tmp_path, "\n".join([INPUT, *BLOCK]), phase="TRAIN")
    assert folded(model, ["c"]) is model


def test_nets_that_were_trained_are_folded(tmp_path: Path) -> None:
    data = 'layer { name: "x" type: "Input" top: "x" input_param { shape { '
    data += "dim: 2 dim: 3 dim: 5 dim: 5 } } }"
    label = data.replace('"x"', '"label"').replace("dim: 2 dim: 3 dim: 5 dim: 5", "dim: 2")
    train = "include { phase: TRAIN } "
    loss = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }'
    ip = 'layer { name: "ip" type: "InnerProduct" bottom: "c" top: "ip" inner_product_param { '
    ip += 'num_output: 3 weight_filler { type: "xavier" } } }'
    only = conv("c", "never").replace("layer {", f"layer {{ {train}")
    model = net(tmp_path, "\n".join([data, label, *BLOCK, only, ip, loss]), outputs=["ip"])
    made = folded(model, ["ip"])
    assert layers(made) == [*NAMES, "ip"]
    agree(model, made, ["ip"])


def test_weights_that_changed_are_folded_again(tmp_path: Path) -> None:
    model = net(tmp_path, "\n".join([INPUT, *BLOCK]))
    first = folded(model, ["c"])
    params = model.params
    assert folded(model, ["c"]) is first
    params["Scale c"][0].data += 1
    second = folded(model, ["c"])
    assert second is not first
    agree(model, second, ["c"])


def test_it_goes_with_its_model(tmp_path: Path) -> None:
    text = "\n".join([INPUT, *BLOCK])
    gone: list[Any] = []
    for fetch in (["c"], ["x"]):
        model = net(tmp_path, text)
        gone += [weakref.ref(model), weakref.ref(folded(model, fetch))]
        model.predict(np.ones((2, 3, 5, 5), np.float32))
        del model
    gc.collect()
    assert [ref() for ref in gone] == [None] * 4


def test_custom_layers_go_along(tmp_path: Path) -> None:
    model = net(tmp_path, "\n".join([INPUT, *BLOCK]), converters=CONVERTERS)
    assert folded(model, ["c"]).converters == CONVERTERS
