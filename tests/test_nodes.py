"""Nets written as nodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bigdl_caffe import (
    CaffeError,
    Layer,
    Model,
    NetError,
    ShapeError,
    UnsupportedLayerError,
    WeightMismatchError,
    nodes,
)
from bigdl_caffe.format.prototxt import format_message
from bigdl_caffe.layers.registry import registry
from bigdl_caffe.nodes import (
    Concat,
    Convolution,
    Dropout,
    Eltwise,
    InnerProduct,
    Input,
    Pooling,
    Python,
    ReLU,
    SeLu,
    Slice,
    SoftmaxWithLoss,
    from_nodes,
    layer_type,
)
from tests.nets import net

XAVIER = {"type": "xavier"}
ROWS = np.random.default_rng(3).standard_normal((5, 4)).astype(np.float32)


def test_nodes_are_the_net_that_a_prototxt_would_be(tmp_path: Path) -> None:
    data = Input("data", shape=(1, 3, 9, 9))
    conv = Convolution(
        name="conv",
        num_output=2,
        kernel_size=(3, 5),
        bias_term=False,
        weight_filler=XAVIER,
        param=[{"lr_mult": 0.5}],
    )(data)
    pool = Pooling(name="pool", pool="AVE", kernel_size=2, stride=2)(conv)
    model = Model.from_nodes([data], [SeLu(name="out", alpha=2)(pool)], name="written")
    text = """name: "written"
    layer { name: "data" type: "Input" top: "data"
            input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 0.5 }
            convolution_param { num_output: 2 kernel_size: 3 kernel_size: 5 bias_term: false
                                weight_filler { type: "xavier" } } }
    layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
            pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
    layer { name: "out" type: "SeLu" bottom: "pool" top: "out" selu_param { alpha: 2 } }"""
    read = net(tmp_path, text)
    assert format_message(model.net.definition) == format_message(read.net.definition)
    assert model.net.layers[-1].unknown == {"selu_param": {"alpha": 2}}
    read.set_weights(model.get_weights())
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 9))
    np.testing.assert_array_equal(model.forward(x), read.forward(x))


def test_every_registered_type_has_a_constructor() -> None:
    names = [name for name in registry() if name.isidentifier()]
    assert set(names) <= set(dir(nodes))
    for name in names:
        assert getattr(nodes, name) is Input or getattr(nodes, name).kind == name


def test_layers_with_several_tops_give_as_many_nodes() -> None:
    x = Input("x", shape=(2, 6))
    a, b, c = Slice(name="cut", axis=1, tops=3)(x)
    model = from_nodes([x], [Concat(axis=1)([c, b]), a])
    rows = np.arange(12).reshape(2, 6)
    joined, first = model.forward(rows)
    np.testing.assert_array_equal(joined, rows[:, [4, 5, 2, 3]])
    np.testing.assert_array_equal(first, rows[:, :2])
    assert model.outputs == ("Concat1", "cut_0")


def test_inputs_and_outputs_keep_their_order() -> None:
    a, b = Input("a", shape=(1, 2)), Input("b", shape=(1, 3))
    joined = Concat(name="joined")([b, a])
    model = from_nodes([b, a], [joined, a, ReLU(name="r")(joined)])
    assert list(model.inputs) == ["b", "a"]
    assert model.outputs == ("joined", "a", "r")


def test_names_that_are_not_given_are_free_ones() -> None:
    x = Input(shape=(1, 2))
    out = ReLU()(ReLU(name="ReLU1")(ReLU()(x)))
    assert [layer.name for layer in from_nodes(x, out).net.layers] == [
        "Input1",
        "ReLU2",
        "ReLU1",
        "ReLU3",
    ]


def test_weights_given_are_the_layers_own() -> None:
    w, b = np.arange(8.0).reshape(2, 4), torch.ones(2, requires_grad=True)
    x = Input("x", shape=(1, 4))
    model = from_nodes(x, InnerProduct(name="fc", num_output=2, weights=[w, b])(x))
    np.testing.assert_allclose(model.forward(ROWS), ROWS @ w.T + 1, rtol=1e-6)


def test_shared_parameters_by_caffes_own_names() -> None:
    a, b = Input("a", shape=(1, 4)), Input("b", shape=(1, 4))
    shared = {"num_output": 3, "weight_filler": XAVIER, "param": [{"name": "w"}, {"name": "v"}]}
    tops = [InnerProduct(**shared)(a), InnerProduct(**shared)(b)]
    model = from_nodes([a, b], tops)
    assert len(model.get_weights()) == 2
    left, right = model.forward([ROWS, ROWS])
    np.testing.assert_array_equal(left, right)


def test_a_graph_deeper_than_pythons_stack() -> None:
    x = top = Input("x", shape=(1, 1))
    for _ in range(1500):
        top = ReLU()(top)
    assert len(from_nodes(x, top).net.layers) == 1501


def test_training_nets_have_a_loss() -> None:
    x, label = Input("x", shape=(5, 4)), Input("label", shape=(5,))
    dropped = Dropout(dropout_ratio=0.5)(x)
    scores = InnerProduct(name="fc", num_output=3, weight_filler=XAVIER)(dropped)
    model = from_nodes([x, label], SoftmaxWithLoss(name="loss")([scores, label]), phase="TRAIN")
    feed = {"x": torch.ones(5, 4), "label": torch.zeros(5)}
    model.to_torch().loss(feed).backward()
    assert model.params["fc"][0].grad is not None


class AddK(Layer):
    """``x + k``."""

    fork_options = {"add_k_param": {"k": 1.0, "kind": "PLAIN", "words": [], "inner": {"a": False}}}  # noqa: RUF012 (as users write it)

    def module(self, bottoms: object) -> nn.Module:
        k = self.fork_values["add_k_param"]["k"]
        return type("M", (nn.Module,), {"forward": lambda _, x: x + k})()


def test_a_class_of_ones_own_is_a_constructor() -> None:
    x = Input("x", shape=(1, 4))
    options = {"k": 2.5, "kind": "ODD", "words": ["a b", 'c"d'], "inner": {"a": True}}
    model = from_nodes(x, layer_type(AddK)(name="add", **options)(x))
    np.testing.assert_array_equal(model.forward(ROWS), ROWS + 2.5)
    assert model.net.layers[-1].unknown == {"add_k_param": options}
    text = format_message(model.net.definition)
    assert "kind: ODD" in text, "an enum's value stands without quotes"


def test_two_classes_of_one_type() -> None:
    other = type("AddK", (AddK,), {})
    x = Input("x", shape=(1, 4))
    with pytest.raises(CaffeError, match="two classes are of type 'AddK'"):
        from_nodes(x, layer_type(other)()(layer_type(AddK)()(x)))


def test_python_layers_by_module_and_class() -> None:
    x = Input("x", shape=(1, 4))
    double = Python(module="m", layer="Add", param_str="{}")(x)
    model = from_nodes(x, double, converters={"m.Add": AddK})
    np.testing.assert_array_equal(model.forward(ROWS), ROWS + 1)


X = Input("x", shape=(1, 4))
FC = InnerProduct(name="fc", num_output=2, weight_filler=XAVIER)(X)
WRONG: dict[str, tuple[Callable[[], Any], type[CaffeError], str]] = {
    "near option": (lambda: Convolution(name="c", num_outputs=3), CaffeError, "did you mean num_o"),
    "no such option": (lambda: ReLU(axis=3), CaffeError, "'axis'; it has: negative_slope"),
    "option of a fork": (lambda: SeLu(alfa=1), CaffeError, "did you mean alpha"),
    "two options": (lambda: ReLU(a=1, b=2), CaffeError, "2 problems"),
    "value": (lambda: Convolution(num_output="x"), CaffeError, "convolution_param.num_output 'x'"),
    "enum": (lambda: Pooling(pool="MIN2"), CaffeError, "pooling_param.pool 'MIN2'"),
    "inner field": (lambda: InnerProduct(weight_filler={"typ": 1}), CaffeError, "typ"),
    "fork's value": (lambda: SeLu(alpha=object()), CaffeError, "selu_param.alpha"),
    "shape": (lambda: Input("y", shape="abc"), CaffeError, "input_param.shape"),
    "tops": (lambda: ReLU(tops=2), CaffeError, "exactly 1"),
    "no top": (nodes.Silence, CaffeError, "makes no blob"),
    "type": (lambda: layer_type("Convolutoin"), UnsupportedLayerError, "'Convolution'"),
    "class": (lambda: layer_type(nn.ReLU), CaffeError, "subclass of bigdl_caffe.Layer"),
    "not a node": (lambda: ReLU()(3), CaffeError, "applied to 3"),
    "not a node in a list": (lambda: Concat()([X, "y"]), CaffeError, "applied to 'y'"),
    "outputs": (lambda: from_nodes(X, ["fc"]), CaffeError, "outputs has 'fc'"),
    "no outputs": (lambda: from_nodes(X, []), CaffeError, "outputs is empty"),
    "inputs": (lambda: from_nodes(FC, FC), CaffeError, "make it an Input"),
    "missing input": (lambda: from_nodes(Input("z", shape=[1]), FC), CaffeError, "lacks: give it"),
    "unused input": (
        lambda: from_nodes([X, Input("z", shape=[1])], FC),
        CaffeError,
        "leave it out",
    ),
    "input twice": (lambda: from_nodes([X, X], FC), CaffeError, "twice"),
    "name twice": (lambda: from_nodes(X, ReLU(name="fc")(FC)), CaffeError, "2 layers are called"),
    "bottoms": (lambda: from_nodes(X, ReLU()([X, FC])), NetError, "exactly 1 bottom"),
    "shapes": (lambda: from_nodes(X, Eltwise()([X, FC])), ShapeError, "Eltwise1"),
    "weights": (
        lambda: from_nodes(X, InnerProduct(num_output=2, weights=[np.ones(3)])(X)),
        WeightMismatchError,
        "needs 2 blobs",
    ),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(
    case: tuple[Callable[[], Any], type[CaffeError], str],
) -> None:
    write, kind, words = case
    with pytest.raises(kind, match=words):
        write()


def test_types_that_nobody_registered_are_no_names() -> None:
    with pytest.raises(ImportError):
        from bigdl_caffe.nodes import Convolutoin  # noqa: F401  (the error is what is tested)
