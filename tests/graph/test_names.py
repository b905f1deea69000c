"""Which value a layer reads when blobs are written more than once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bigdl_caffe.errors import NetError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef
from bigdl_caffe.graph.names import ALIAS, layer_defs, name_values

Row = tuple[str, str, Sequence[str], Sequence[str]]


def _named(*rows: Row) -> tuple[LayerDef, ...]:
    layers = [pb.LayerParameter(name=n, type=t, bottom=b, top=o) for n, t, b, o in rows]
    return name_values(layer_defs(layers), lambda spec: spec.type in ("Reshape", "Split"))


def test_without_in_place_layers_values_are_blobs() -> None:
    layers = _named(("i", "Input", [], ["x"]), ("c", "Convolution", ["x"], ["y"]))
    assert layers[1].reads == ("x",)
    assert layers[1].writes == ("y",)


def test_earlier_readers_see_the_earlier_value() -> None:
    layers = _named(
        ("i", "Input", [], ["x"]),
        ("early", "Power", ["x"], ["a"]),
        ("r", "ReLU", ["x"], ["x"]),
        ("late", "Power", ["x"], ["b"]),
    )
    assert layers[0].writes == ("x~0",)
    assert layers[1].reads == ("x~0",)
    assert layers[2].reads == ("x~0",)
    assert layers[2].writes == ("x",)
    assert layers[3].reads == ("x",)


def test_an_in_place_write_shows_under_the_other_names_of_the_memory() -> None:
    layers = _named(
        ("i", "Input", [], ["x"]),
        ("v", "Reshape", ["x"], ["y"]),
        ("r", "ReLU", ["y"], ["y"]),
        ("late", "Power", ["x"], ["z"]),
    )
    (alias,) = [layer for layer in layers if layer.type == ALIAS]
    assert alias.reads == ("y", "x~0")
    assert alias.writes == ("x",)
    assert layers[-1].reads == ("x",)


def test_every_problem_is_in_one_error() -> None:
    with pytest.raises(NetError) as caught:
        _named(
            ("a", "ReLU", ["nope"], ["y"]),
            ("b", "ReLU", ["nor"], ["z"]),
            ("c", "Power", ["z"], ["y"]),
        )
    assert len(caught.value.problems) == 3
    assert "'nope'" in str(caught.value)
    assert "has made already" in str(caught.value)


def test_says_which_layer_the_phase_left_out() -> None:
    layers = layer_defs([pb.LayerParameter(name="c", type="ReLU", bottom=["data"], top=["c"])])
    with pytest.raises(NetError, match="layer 'train_data' would"):
        name_values(layers, lambda _: False, {"data": "train_data"})
