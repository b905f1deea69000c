"""Layer types of one's own: what they are given, where they work, and what they get wrong."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bigdl_caffe import (
    BlobSpec,
    CaffeError,
    FillerParameter,
    Layer,
    Model,
    ShapeError,
    exactly,
    register,
)
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers import registry as module
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.nodes import Input, from_nodes, layer_type
from tests.nets import net

X = np.random.default_rng(5).standard_normal((3, 4)).astype(np.float32)
TEXT = """input: "x" input_shape { dim: 1 dim: 4 }
layer { name: "mix" type: "Mix" bottom: "x" top: "y"
  mix_param { outputs: 2 mode: SUM names: "a" names: "b" deep { on: true }
              weight_filler { type: "constant" value: 0.5 } } }"""


@pytest.fixture(autouse=True)
def _registry_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAYERS", dict(module._LAYERS))


class Mixed(nn.Module):
    """``x @ table``."""

    table: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.table


class Mix(Layer):
    """A product with one blob, as many columns as ``outputs`` says."""

    in_place = False
    fork_options: ClassVar[Messages] = {
        "mix_param": {
            "outputs": 1,
            "mode": "MAX",
            "names": [],
            "deep": {"on": False, "off": 3},
            "weight_filler": FillerParameter(),
        }
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = self.fork_values["mix_param"]

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms[0]) != 2:
            raise ShapeError(f"the bottom is {bottoms[0]}; Mix takes 2 axes")
        return [(bottoms[0][0], self.param["outputs"])]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        return [
            BlobSpec("table", (bottoms[0][1], self.param["outputs"]), self.param["weight_filler"])
        ]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        return Mixed()


OWN = {"Mix": Mix}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Return a net with one such layer, its blob filled with numbers."""
    made = net(tmp_path, TEXT, converters=OWN)
    made.set_weights([np.arange(8).reshape(4, 2)])
    return made


def test_it_gets_the_unknown_fields_as_a_dict() -> None:
    from tests.layers.build import layer

    register("Mix")(Mix)
    mix = layer("Mix", TEXT[TEXT.index("mix_param") : -1])
    given = {
        "outputs": 2,
        "mode": "SUM",
        "names": ["a", "b"],
        "deep": {"on": True},
        "weight_filler": {"type": "constant", "value": 0.5},
    }
    assert mix.spec.unknown == {"mix_param": given}
    assert mix.fork_values["mix_param"] | {"weight_filler": None} == {
        **given,
        "deep": {"on": True, "off": 3},
        "weight_filler": None,
    }


def test_its_blob_is_filled_and_is_the_modules(tmp_path: Path) -> None:
    made = net(tmp_path, TEXT, converters=OWN)
    (table,) = made.params["mix"]
    assert isinstance(table, nn.Parameter)
    assert tuple(table.shape) == (4, 2)
    assert (table == 0.5).all()
    assert list(made.to_torch().state_dict()) == ["mix.table"]


def test_it_computes_and_has_gradients(model: Model) -> None:
    table = np.arange(8).reshape(4, 2)
    np.testing.assert_allclose(model.forward(X), X @ table, rtol=1e-5)
    x = torch.tensor(X, requires_grad=True)
    model.to_torch()({"x": x})["y"].sum().backward()
    np.testing.assert_allclose(x.grad, np.broadcast_to(table.sum(1), X.shape))
    np.testing.assert_allclose(model.params["mix"][0].grad, X.sum(0)[:, None] * [1, 1], rtol=1e-5)


def test_registered_it_needs_no_converters(tmp_path: Path) -> None:
    assert register("Mix", "MIX2")(Mix) is Mix
    assert net(tmp_path, TEXT).blob_shapes["y"] == (1, 2)
    assert net(tmp_path, TEXT.replace('"Mix"', '"MIX2"')).blob_shapes["y"] == (1, 2)


def test_it_may_stand_for_a_built_in(tmp_path: Path) -> None:
    text = """input: "x" input_shape { dim: 1 dim: 4 }
    layer { name: "r" type: "ReLU" bottom: "x" top: "y" }"""

    class Doubled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    class Double(Layer):
        def module(self, bottoms: object) -> nn.Module:
            return Doubled()

    own = net(tmp_path, text, converters={"ReLU": Double})
    np.testing.assert_array_equal(own.forward(X), 2 * X)
    np.testing.assert_array_equal(net(tmp_path, text).forward(X), X.clip(0))


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "torch.save"])
def test_the_module_can_be_copied(model: Model, way: str) -> None:
    made = model.to_torch()
    if way == "deepcopy":
        copied = copy.deepcopy(made)
    elif way == "pickle":
        copied = pickle.loads(pickle.dumps(made))
    else:
        file = io.BytesIO()
        torch.save(made, file)
        copied = torch.load(io.BytesIO(file.getvalue()), weights_only=False)
    expected = model.forward(X)
    model.params["mix"][0].data.zero_()
    top = copied({"x": torch.tensor(X)})["y"]
    np.testing.assert_array_equal(top.detach(), expected)


def test_a_bundle_holds_it(model: Model, tmp_path: Path) -> None:
    model.write_bundle(tmp_path / "m.arrow")
    again = Model.open_bundle(tmp_path / "m.arrow", converters=OWN)
    assert again.net.layers[-1].unknown == model.net.layers[-1].unknown
    np.testing.assert_array_equal(again.forward(X), model.forward(X))
    with pytest.raises(CaffeError, match=r"converters=\{'Mix': YourLayer\}"):
        Model.open_bundle(tmp_path / "m.arrow")


@pytest.mark.parametrize("end", ["caffemodel", "caffemodel.h5"])
def test_it_is_saved_as_the_message_it_came_from(model: Model, tmp_path: Path, end: str) -> None:
    paths = tmp_path / "saved.prototxt", tmp_path / f"saved.{end}"
    model.save_caffe(*paths)
    again = Model.load_caffe_model(*paths, converters=OWN)
    assert again.net.layers[-1].unknown == model.net.layers[-1].unknown
    np.testing.assert_array_equal(again.forward(X), model.forward(X))


def test_written_as_a_node_it_is_saved_as_its_own_message(tmp_path: Path) -> None:
    x = Input("x", shape=(1, 4))
    made = from_nodes(x, layer_type(Mix)(name="mix", outputs=3, mode="SUM", names=["a", "b"])(x))
    paths = tmp_path / "saved.prototxt", tmp_path / "saved.caffemodel"
    made.save_caffe(*paths)
    again = Model.load_caffe_model(*paths, converters=OWN)
    given = {"outputs": 3, "mode": "SUM", "names": ["a", "b"]}
    assert again.net.layers[-1].unknown == {"mix_param": given}
    np.testing.assert_array_equal(again.forward(X), made.forward(X))


def test_options_that_it_does_not_know_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match=r"layer 'mix' \(Mix\): mix_param has \['extra'\]"):
        net(tmp_path, TEXT.replace("outputs: 2", "outputs: 2 extra: 1"), converters=OWN)


def test_its_problems_come_with_the_others(tmp_path: Path) -> None:
    more = 'layer { name: "p" type: "Pooling" bottom: "x" top: "z" }'
    with pytest.raises(CaffeError) as caught:
        net(tmp_path, TEXT.replace("outputs: 2", "extra: 1") + more, converters=OWN)
    mix, pool = caught.value.problems
    assert "layer 'mix' (Mix)" in mix
    assert "layer 'p' (Pooling)" in pool


class Bad(Layer):
    """What the cases below spoil."""

    def module(self, bottoms: object) -> Any:
        return nn.Identity()


def spoiled(**members: Any) -> type[Layer]:
    return type("Bad", (Bad,), members)


def gives(value: object) -> Any:
    return lambda self, *given: value


class Own(nn.Module):
    """Has what a blob is called for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.table = None


class Returns(nn.Module):
    """Returns something."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> object:
        return self.value


ONE = [BlobSpec("table", (2,))]
WRONG: dict[str, tuple[object, str]] = {
    "no class": (3, "the converter for 'Mix' is 3: give a subclass of bigdl_caffe.Layer"),
    "no layer": (nn.ReLU, "give a subclass of bigdl_caffe.Layer"),
    "an object": (object.__new__(Bad), "give a subclass of bigdl_caffe.Layer"),
    "no module": (type("Mine", (Layer,), {}), "has no method module"),
    "arity": (spoiled(bottoms=2), "no arity"),
    "init": (spoiled(__init__=gives(None)), "has to call super"),
    "one shape": (spoiled(top_shapes=gives((1, 2))), "top_shapes gives .* for 1 tops"),
    "two shapes": (spoiled(top_shapes=gives([(1,), (1,)])), "top_shapes gives .* for 1 tops"),
    "no shapes": (spoiled(top_shapes=gives(None)), "top_shapes gives None"),
    "words": (spoiled(top_shapes=gives([("a",)])), "top_shapes gives"),
    "no blobs": (spoiled(blob_specs=gives(None)), r"Bad\.blob_specs returns None: return a list"),
    "tuples": (spoiled(blob_specs=gives([("w", (2,))])), r"Bad\.blob_specs returns"),
    "blobs of one name": (spoiled(blob_specs=gives(ONE * 2)), "an attr of their own each|attr"),
    "a function": (spoiled(module=gives(torch.relu)), r"Bad\.module returns .* torch\.nn\.Module"),
    "nothing": (spoiled(module=gives(None)), r"Bad\.module returns None"),
    "an attribute": (spoiled(blob_specs=gives(ONE), module=gives(Own())), "rename the blob's attr"),
    "numpy": (spoiled(module=gives(Returns(np.zeros(2)))), "gives ndarray for y"),
    "two tops": (spoiled(module=gives(Returns((torch.ones(1),) * 2))), "gives tuple for y"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_class_is_said(tmp_path: Path, case: tuple[Any, str]) -> None:
    cls, words = case
    with pytest.raises(CaffeError, match=words):
        net(tmp_path, TEXT, converters={"Mix": cls}).run({"x": X})


@pytest.mark.parametrize("how", [lambda: register(Bad), lambda: register()(Bad)])
def test_register_wants_a_type(how: Any) -> None:
    with pytest.raises(CaffeError, match="@register"):
        how()


def test_register_wants_a_layer() -> None:
    with pytest.raises(CaffeError, match="give a subclass"):
        register("Mix")(nn.ReLU)  # type: ignore[type-var]  # the error is what is tested


def test_arities_are_said(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match="exactly 2 bottom blobs and has 1"):
        net(tmp_path, TEXT, converters={"Mix": spoiled(bottoms=exactly(2))})
