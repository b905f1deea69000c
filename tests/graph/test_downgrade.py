"""V2 to V1, which `upgrade` undoes."""

from __future__ import annotations

import json

import pytest

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import format_message, parse
from bigdl_caffe.graph.downgrade import downgrade
from bigdl_caffe.graph.upgrade import V1_TYPES, upgrade
from tests.layers.golden import cases
from tests.paths import GOLDEN

PARSE = GOLDEN / "parse"
WRITTEN = [name for name, case in json.loads((PARSE / "cases.json").read_text()).items()
           if case["written"]]  # fmt: skip
OLD = [path for case in cases() for path in case.folder.glob("net_v[01].prototxt")]


def net_of(text: str | bytes) -> pb.NetParameter:
    """Return the net of a prototxt's text in V2 terms."""
    return upgrade(parse(text, pb.NetParameter)).net


def again(net: pb.NetParameter) -> pb.NetParameter:
    """Return ``net`` after it was written in V1 terms and read."""
    return net_of(format_message(downgrade(net)))


def problems(layer: str) -> tuple[str, ...]:
    """Return why ``layer`` cannot be written in V1 terms."""
    with pytest.raises(UnsupportedLayerError) as caught:
        downgrade(net_of(f'layer {{ name: "x" {layer} }}'))
    return caught.value.problems


@pytest.mark.parametrize("path", [pytest.param(p, id=str(p.relative_to(GOLDEN))) for p in OLD])
def test_what_was_v1_is_v1_again(path) -> None:  # type: ignore[no-untyped-def]  # a Path
    net = net_of(path.read_bytes())
    assert format_message(again(net)) == format_message(net)


@pytest.mark.parametrize("name", WRITTEN)
def test_what_caffe_upgraded_is_the_same_again_or_refused(name: str) -> None:
    net = net_of((PARSE / f"{name}.out.prototxt").read_bytes())
    try:
        found = again(net)
    except UnsupportedLayerError:
        return
    assert format_message(found) == format_message(net)


@pytest.mark.parametrize("name", V1_TYPES.values())
def test_every_type_of_v1_is_written(name: str) -> None:
    net = net_of(f'layer {{ name: "x" type: "{name}" bottom: "a" top: "b" }}')
    assert again(net) == net


def test_params_become_columns() -> None:
    net = net_of(
        'layer { type: "Convolution" param { name: "w" share_mode: PERMISSIVE lr_mult: 2 } '
        "param { lr_mult: 0 } }"
        'layer { type: "Convolution" param { } param { decay_mult: 3 } }'
    )
    first, second = downgrade(net).layers
    assert (list(first.param), list(first.blobs_lr)) == (["w"], [2, 0])
    assert list(first.blob_share_mode) == [pb.V1LayerParameter.PERMISSIVE]
    assert (list(second.blobs_lr), list(second.weight_decay)) == ([], [1, 3])


def test_a_shared_blobs_multiplier_is_not_made_up() -> None:
    """A 1 that nobody wrote would contradict the 2 of a layer that shares the blob."""
    (problem,) = problems('type: "Convolution" param { name: "w" } param { lr_mult: 2 }')
    assert problem == (
        "layer 'x' (Convolution): V1 has no lr_mult of a shared param there: save with use_v2=True"
    )


@pytest.mark.parametrize("shape", [[1, 3, 4, 5], [2, 3]])
def test_inputs_are_the_nets(shape: list[int]) -> None:
    first, second = pb.LayerParameter(type="Input", top="ab"), pb.LayerParameter(type="Input")
    first.input_param.shape.add(dim=shape)
    second.top.append("c")
    second.input_param.shape.add(dim=[7] * 4)
    net = pb.NetParameter(layer=[first, pb.LayerParameter(type="ReLU"), second])
    old = downgrade(net)
    assert list(old.input) == ["a", "b", "c"]
    assert list(old.input_dim) == ([*shape, *shape, 7, 7, 7, 7] if len(shape) == 4 else [])
    inputs, relu = again(net).layer
    assert (inputs.name, relu.type) == ("input", "ReLU")
    assert [list(s.dim) for s in inputs.input_param.shape] == [shape, shape, [7] * 4]


def test_an_input_without_shape_stays_without() -> None:
    net = net_of('input: "x"')
    assert again(net) == net


def test_every_problem_is_told_at_once() -> None:
    net = net_of(
        'layer { name: "s" type: "Scale" } layer { name: "p" type: "PReLU" } '
        'layer { name: "c" type: "Convolution" propagate_down: true phase: TEST }'
        'layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 } } }'
        'layer { name: "b" type: "Input" top: "b" include { phase: TEST } }'
    )
    with pytest.raises(UnsupportedLayerError) as caught:
        downgrade(net)
    said = caught.value.problems
    assert len(said) == 5
    assert "'b' (Input): inputs of a V1 net have no include" in said[0]
    assert "'s' (Scale): V1 has no such type" in said[1]
    assert "fold=True" in said[1]
    assert "fold=True" not in said[2]
    assert "phase, propagate_down" in said[3]
    assert "some have none" in said[4]
    assert all("use_v2=True" in problem for problem in said[:4])


@pytest.mark.parametrize(
    ("layer", "lost"),
    [
        ('type: "ReLU" blobs_lr: 1', "blobs_lr"),
        ('type: "ReLU" param { magic: 1 }', "param[0].magic"),
        ('type: "Data" data_param { scale: 0.5 }', "data_param.scale"),
        ('type: "ReLU" prelu_param { magic: 1 }', "prelu_param, prelu_param.magic"),
        ('type: "Input" top: "x" magic: 1', "magic"),
    ],
)
def test_what_would_mean_something_else_in_v1_is_refused(layer: str, lost: str) -> None:
    (problem,) = problems(layer)
    assert f"no {lost}" in problem


def test_unknown_fields_stay() -> None:
    net = net_of(
        'layer { name: "x" type: "Pooling" magic: 7 pooling_param { pool: MIN strange { a: 1 } } '
        'include { odd: "b" } } layer { type: "LOCAL" local_param { num_output: 2 } }'
    )
    assert format_message(again(net)) == format_message(net)
    assert "type: LOCAL" in format_message(downgrade(net))


def test_leaves_its_input_alone() -> None:
    net = net_of('input: "x" layer { type: "ReLU" bottom: "x" top: "y" param { lr_mult: 1 } }')
    before = net.SerializeToString()
    downgrade(net)
    assert net.SerializeToString() == before
