"""V0 and V1 to V2, held against what Caffe's upgrade_net_proto_text wrote."""

from __future__ import annotations

import json

import pytest

from bigdl_caffe.errors import NetError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.graph.upgrade import upgrade
from tests.paths import GOLDEN

PARSE = GOLDEN / "parse"
CASES = json.loads((PARSE / "cases.json").read_text())
# Caffe drops an input without dimensions; here it becomes a top whose shape may be given.
OURS = {"input_only", "v0_wrong_param"}
WRITTEN = sorted(name for name, case in CASES.items() if case["written"] and name not in OURS)


def _net(text: str) -> pb.NetParameter:
    return parse(text, pb.NetParameter)


@pytest.mark.parametrize("name", WRITTEN)
def test_gives_what_caffe_wrote(name: str) -> None:
    ours = upgrade(_net((PARSE / f"{name}.prototxt").read_bytes())).net
    caffe = _net((PARSE / f"{name}.out.prototxt").read_bytes())
    assert str(ours) == str(caffe)


def test_leaves_its_input_alone() -> None:
    net = _net((PARSE / "v0_full.prototxt").read_text())
    before = net.SerializeToString()
    upgrade(net)
    assert net.SerializeToString() == before


def test_notes_an_option_that_the_type_does_not_have() -> None:
    (note,) = upgrade(_net((PARSE / "v0_wrong_param.prototxt").read_text())).notes
    assert "kernelsize" in note
    assert "'r' (relu)" in note


def test_an_input_without_dimensions_is_kept() -> None:
    net = upgrade(_net('input: "x"')).net
    assert list(net.layer[0].top) == ["x"]
    assert not net.layer[0].input_param.shape


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('layers { name: "a" type: RELU } layer { name: "b" type: "ReLU" }', "one form"),
        ('layers { layer { name: "e" type: "eltwise" } }', "no layer type 'eltwise'"),
        ('input: "x" input_dim: 1 input_dim: 3', "needs? 4|need 4"),
        (
            'layers { layer { name: "p" type: "padding" pad: 1 } bottom: "x" top: "p" } '
            'layers { layer { name: "r" type: "relu" } bottom: "p" top: "r" }',
            "padding layer 'p'",
        ),
    ],
)
def test_refuses(text: str, words: str) -> None:
    with pytest.raises(NetError, match=words):
        upgrade(_net(text))


def test_unknown_fields_survive() -> None:
    net = upgrade(_net('layers { name: "a" type: RELU magic: 7 }')).net
    (field,) = net.layer[0].unknown_field
    assert (field.path, field.text) == ("magic", "7")


def test_a_forks_own_v1_type_keeps_its_name() -> None:
    net = upgrade(_net('layers { name: "a" type: LOCAL bottom: "x" top: "y" }')).net
    assert net.layer[0].type == "LOCAL"


def test_the_bottom_that_simple_crop_names_as_an_option_is_one() -> None:
    text = 'layer { type: "SimpleCrop" bottom: "a" top: "c" crop_param { blob_name: "b" } }'
    (crop,) = upgrade(_net(text)).net.layer
    assert list(crop.bottom) == ["a", "b"]


def test_blobs_that_are_bottoms_are_shared_by_name() -> None:
    weight, ip, other = upgrade(
        _net(
            """layer { type: "Parameter" top: "w" } layer { type: "InnerProduct" bottom: "x"
            bottom: "w" top: "y" param_bottoms: 1 } layer { type: "InnerProduct" bottom: "y"
            bottom: "w" top: "z" param_bottoms: 1 }"""
        )
    ).net.layer
    assert [list(layer.bottom) for layer in (ip, other)] == [["x"], ["y"]]
    assert [layer.param[0].name for layer in (weight, ip, other)] == ["w", "w", "w"]
