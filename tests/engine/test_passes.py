"""What passes join, and what they must leave alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import Model
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.program import program
from bigdl_caffe.layers.activation import ReLU
from tests.engine.compare import assert_torch_is_exact
from tests.nets import net

INPUT = 'input: "x" input_shape { dim: 2 dim: 3 dim: 5 dim: 5 }'
FILLED = 'weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "gaussian" }'


def layer(kind: str, bottoms: str, tops: str, options: str = "") -> str:
    names = [f'bottom: "{b}"' for b in bottoms.split()] + [f'top: "{t}"' for t in tops.split()]
    return f'layer {{ name: "{kind} {tops}" type: "{kind}" {" ".join(names)} {options} }}'


def conv(bottoms: str, tops: str) -> str:
    options = f"convolution_param {{ num_output: 3 kernel_size: 1 {FILLED} }}"
    return layer("Convolution", bottoms, tops, options)


def ip(bottom: str, top: str) -> str:
    return layer("InnerProduct", bottom, top, f"inner_product_param {{ num_output: 3 {FILLED} }}")


def act(kind: str, bottom: str, top: str = "", options: str = "") -> str:
    return layer(kind, bottom, top or bottom, options)


def add(bottoms: str, top: str, options: str = "") -> str:
    return layer("Eltwise", bottoms, top, options)


COEFFICIENTS = "eltwise_param { coeff: 1 coeff: -1 }"
LARGEST = "eltwise_param { operation: MAX }"
LEAKY = "relu_param { negative_slope: 0.1 }"

JOINED = {
    "activation": ([conv("x", "c"), act("ReLU", "c", "r")], 1),
    "in place": ([conv("x", "c"), act("ReLU", "c")], 1),
    "leaky": ([conv("x", "c"), act("ReLU", "c", "", LEAKY)], 1),
    "sigmoid": ([ip("x", "c"), act("Sigmoid", "c")], 1),
    "tanh": ([ip("x", "c"), act("TanH", "c")], 1),
    "relu6": ([conv("x", "c"), act("ReLU6", "c")], 1),
    "two": ([conv("x", "c"), act("ReLU", "c"), act("Sigmoid", "c")], 2),
    "sum": ([conv("x", "c"), add("x c", "s"), act("ReLU", "s")], 1),
    "sum of two": ([conv("x", "c"), conv("x", "d"), add("c d", "s"), act("ReLU", "s")], 2),
    "sum of none": ([add("x x", "s"), act("ReLU", "s")], 1),
    "sum with itself": ([conv("x", "c"), add("c c", "s")], 2),
    "sum of activated": ([conv("x", "c"), act("ReLU", "c"), add("x c", "s")], 2),
    "coefficients": ([conv("x", "c"), add("x c", "s", COEFFICIENTS), act("ReLU", "s")], 2),
    "largest": ([conv("x", "c"), add("x c", "s", LARGEST), act("ReLU", "s")], 3),
    "sum in place": ([conv("x", "c"), add("c x", "c"), act("ReLU", "c")], 3),
    "of three": ([conv("x", "c"), add("x c x", "s"), act("ReLU", "s")], 2),
    "two readers": ([conv("x", "c"), act("ReLU", "c", "r"), act("AbsVal", "c", "a")], 3),
    "several tops": ([conv("x x", "c d"), act("ReLU", "c"), add("c d", "s")], 3),
    "other kinds": ([conv("x", "c"), act("AbsVal", "c")], 2),
    "dropout": ([conv("x", "c"), act("Dropout", "c"), act("ReLU", "c")], 1),
    "split": ([conv("x", "c"), layer("Split", "c", "c1 c2"), add("c1 c2", "s")], 2),
    "concat of one": ([conv("x", "c"), layer("Concat", "c", "l"), act("ReLU", "l")], 1),
    "input": ([act("ReLU", "x", "r"), conv("r", "c")], 2),
}
"""A net's layers, and as how many operations they run."""


@pytest.mark.parametrize("name", JOINED)
def test_what_is_joined(name: str, tmp_path: Path) -> None:
    layers, operations = JOINED[name]
    model = net(tmp_path, "\n".join([INPUT, *layers]))
    assert len(optimised(program(model.module, model.outputs)).ops) == operations
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 5), np.float32)
    for fetch in (model.outputs, tuple(model.net.shapes)):  # of in-place layers, all values
        assert_torch_is_exact(model, {"x": x}, fetch)


def test_what_is_fetched_is_kept(tmp_path: Path) -> None:
    model = net(tmp_path, "\n".join([INPUT, conv("x", "c"), act("ReLU", "c", "r")]))
    assert len(optimised(program(model.module, ("c", "r"))).ops) == 2
    assert len(optimised(program(model.module, ("c",))).ops) == 1


def test_layers_of_ones_own_are_left_alone(tmp_path: Path) -> None:
    class Twice(ReLU):
        """What another makes of Caffe's name."""

        def module(self, bottoms):  # type: ignore[no-untyped-def]  # as its parent's
            made = super().module(bottoms)

            class Own(type(made)):  # type: ignore[misc]  # of a class that is found at run time
                def forward(self, x):  # type: ignore[no-untyped-def]  # as its parent's
                    return 2 * super().forward(x)

            made.__class__ = Own
            return made

    text = "\n".join([INPUT, conv("x", "c"), act("ReLU", "c")])
    model = net(tmp_path, text, converters={"ReLU": Twice})
    assert len(optimised(program(model.module, ("c",))).ops) == 2
    x = np.ones((2, 3, 5, 5), np.float32)
    assert_torch_is_exact(model, {"x": x}, ("c",))


DUMMY = """
layer { name: "d" type: "DummyData" top: "d" dummy_data_param {
  shape { dim: 2 dim: 3 } data_filler { type: "constant" value: 2 } } }
"""


def test_data_that_the_net_makes_may_be_fed(tmp_path: Path) -> None:
    model: Model = net(tmp_path, DUMMY + add("d d", "s") + act("ReLU", "s"))
    assert_torch_is_exact(model, {}, ("s",))
    assert_torch_is_exact(model, {"d": -np.ones((2, 3), np.float32)}, ("s",))
    assert_torch_is_exact(model, {"d": np.ones((5, 3), np.float32)}, ("s", "d"))
