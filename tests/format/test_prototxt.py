"""The text reader and writer against what Caffe's parser accepts, refuses and prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from bigdl_caffe.errors import ParseError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import (
    format_message,
    parse,
    read_net,
    read_solver,
    read_value,
    unknown_fields,
    unknown_report,
)
from tests.paths import GOLDEN, SHARED, needs_prototxts

PARSE = GOLDEN / "parse"
CASES = json.loads((PARSE / "cases.json").read_text())
UNKNOWN = {"unknown_field", "unknown_msg"}  # refused by Caffe, kept by us
UPGRADE = {"v0_bad_type", "v0_wrong_param"}  # parse in Caffe, and fail when upgraded
ANOTHER_COLUMN = {
    # Caffe reports the token after the wrong one
    "bool_TRUE", "bool_yes", "enum_bad", "enum_lower", "enum_bad_number", "v1_type_bad",
    "scalar_twice", "msg_twice_merge", "name_twice", "case_field", "any_ext",
    # Caffe reports a place inside the token
    "uint32_leading_zero", "unterminated", "newline_in_string",
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c["ok"] or n in UPGRADE | UNKNOWN])
def test_accepts_what_caffe_accepts(name: str) -> None:
    parse((PARSE / f"{name}.prototxt").read_bytes(), pb.NetParameter, name)


REFUSED = [n for n, c in CASES.items() if not c["ok"] and n not in UPGRADE | UNKNOWN]


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_caffe_refuses_at_its_place(name: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse((PARSE / f"{name}.prototxt").read_bytes(), pb.NetParameter, name)
    place = re.search(r": (\d+):(\d+): ", CASES[name]["messages"][0])
    if place is None:  # Caffe gives no place for missing required fields
        assert "max" in caught.value.message
        return
    assert caught.value.line == int(place[1])
    if name not in ANOTHER_COLUMN:
        assert caught.value.column == int(place[2])


@pytest.mark.parametrize("path", sorted(PARSE.glob("*.out.prototxt")), ids=lambda p: p.name)
def test_writes_what_caffe_writes(path: Path) -> None:
    text = path.read_text()
    assert format_message(parse(text, pb.NetParameter)) == text


README = SHARED / "prototxts" / "README.md"
INVALID = set(re.findall(r"^- `([^`]+)`", README.read_text(), re.M)) if README.exists() else set()
PLACEHOLDERS = {  # `num_output: cls1x`: templates, which no parser reads as an integer
    "chuanqi305+MobileNet-SSD/refs_pull_129_head/template/MobileNetSSD_deploy_bn_template.prototxt",
    "chuanqi305+MobileNet-SSD/template/MobileNetSSD_deploy_template.prototxt",
}


def without_places(message: Message) -> bytes:
    """Return the message's bytes with its unknown fields' lines and order left out."""
    for owner in owners(message):
        kept = sorted((u.path, u.text) for u in owner.unknown_field)
        del owner.unknown_field[:]
        for path, text in kept:
            owner.unknown_field.add(path=path, text=text)
    return message.SerializeToString(deterministic=True)


def owners(message: Message) -> Iterator[Message]:
    """Yield the net or solver, the nets inside it, and their layers."""
    yield message
    for name in ("layer", "layers", "test_net_param"):
        yield from getattr(message, name, ())
    for name in ("net_param", "train_net_param"):
        if hasattr(message, name) and message.HasField(name):
            yield from owners(getattr(message, name))


def parse_either(text: bytes, name: str) -> pb.NetParameter | pb.SolverParameter:
    """Return the net or, where the reader says that it is one, the solver in ``text``."""
    try:
        return parse(text, pb.NetParameter, name)
    except ParseError as error:
        if "belongs to a solver" not in error.message:
            raise
        return parse(text, pb.SolverParameter, name)


@needs_prototxts
def test_reads_real_files_and_writes_them_back() -> None:
    root = README.parent
    wrong = []
    for index, path in enumerate(p for p in root.rglob("*") if p.is_file() and p != README):
        name = str(path.relative_to(root))
        try:
            message = parse_either(path.read_bytes(), name)
        except ParseError as error:
            if name not in INVALID | PLACEHOLDERS or error.line < 1:
                wrong.append(str(error))
            continue
        if name in INVALID:
            wrong.append(name)
        elif index % 4 == 0:  # writing back all of their million lines would take too long
            back = parse(format_message(message), type(message))
            wrong += [name] * (without_places(back) != without_places(message))
    assert wrong == []


FORK = """name: 'x'
layer { name: 'c' type: 'P'
  pooling_param { norm_region: 7 kernel_sise: -3 pool: MIN }
  param { a: [1, 2] } param { lr_mult: 1 foo { b: 'z' c: .5f # why
  } }
  extra < on: true mode: FAST >
  unknown_field { path: "x" } }
layer { name: 'd' pooling_param { norm_region: 8 } }
"""


def test_keeps_unknown_fields_with_their_place() -> None:
    net = parse(FORK, pb.NetParameter)
    assert [(u.path, u.text, u.line, u.column) for u in net.layer[0].unknown_field] == [
        ("pooling_param.norm_region", "7", 3, 19),
        ("pooling_param.kernel_sise", "-3", 3, 34),
        ("pooling_param.pool", "MIN", 3, 50),
        ("param[0].a", "[1, 2]", 4, 11),
        ("param[1].foo", "{ b: 'z' c: .5f }", 4, 42),
        ("extra", "{ on: true mode: FAST }", 6, 3),
        ("unknown_field", '{ path: "x" }', 7, 3),
    ]
    assert unknown_fields(net.layer[0]) == {
        "pooling_param": {"norm_region": 7, "kernel_sise": -3, "pool": "MIN"},
        "param": {"a": [1, 2], "foo": {"b": "z", "c": 0.5}},
        "extra": {"on": True, "mode": "FAST"},
        "unknown_field": {"path": "x"},
    }


def test_writes_unknown_fields_back_where_they_stood() -> None:
    net = parse(FORK, pb.NetParameter)
    text = format_message(net)
    assert "  param {\n    lr_mult: 1\n    foo { b: 'z' c: .5f }\n  }\n" in text
    assert without_places(parse(text, pb.NetParameter)) == without_places(net)
    net = parse(FORK, pb.NetParameter)
    net.layer[0].ClearField("pooling_param")  # an edit must not lose them, nor write it twice
    back = parse(format_message(net), pb.NetParameter)
    assert unknown_fields(back.layer[0]) == unknown_fields(net.layer[0])


def test_reports_each_unknown_name_once() -> None:
    report = unknown_report(parse(FORK, pb.NetParameter), "f.prototxt")
    assert report[0] == (
        "f.prototxt:3: LayerParameter 'c' and 1 more: unknown field pooling_param.norm_region "
        "(kept; custom layers receive it)"
    )
    assert report[1].endswith("did you mean kernel_size?")
    assert "unknown value MIN of pooling_param.pool" in report[2]
    assert len(report) == 7


def test_reports_on_nets_inside_a_solver() -> None:
    solver = parse('max_iter: 1 net_param { layer { name: "a" b: 1 } }', pb.SolverParameter)
    assert unknown_report(solver, "s") == [
        "s:1: LayerParameter 'a': unknown field b (kept; custom layers receive it)"
    ]


def test_second_value_of_a_fork_s_repeated_field_is_kept() -> None:
    net = parse('layer { data_param { source: "a" source: "b" } }', pb.NetParameter)
    assert net.layer[0].data_param.source == "a"
    assert unknown_fields(net.layer[0]) == {"data_param": {"source": "b"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7), ("-0x10", -16), ("010", 8), ("1e2", 100.0), ("- .5", -0.5), ("AVE", "AVE"),
        ("'a' \"b\"", "ab"), ("true", True), ("False", False), ("t", "t"),
        ("[1, [2], {}]", [1, [2], {}]), ("inf", "inf"),
        ("{ a: 1 a: 2; b <c: 'é'> }", {"a": [1, 2], "b": {"c": "é"}}), ("-inf", float("-inf")),
    ],
)  # fmt: skip
def test_read_value(text: str, value: object) -> None:
    assert read_value(text) == value


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ('net: "a"\nbase_lr: 1', pb.NetParameter, "belongs to a solver"),
        ('name: "a" layer { name: "b" }', pb.SolverParameter, "belongs to a net"),
        ("a: 1", pb.NetParameter, "not a net"),
        ("a: 1", pb.SolverParameter, "not a solver"),
        ('{"a": 1}', pb.NetParameter, "JSON"),
        ("name: x\nlayers:\n  - a", pb.NetParameter, "expected string"),
        (b"\x0a\x03net\xa2\x06\x00\x00", pb.NetParameter, "binary"),
        (b"version https://git-lfs.github.com/spec/v1\noid", pb.NetParameter, "git lfs pull"),
        ("<!DOCTYPE html>", pb.NetParameter, "web page"),
    ],
)
def test_says_what_another_kind_of_file_is(
    text: str | bytes, kind: type[pb.NetParameter], says: str
) -> None:
    with pytest.raises(ParseError, match=says):
        parse(text, kind)


def test_names_that_are_not_utf8_are_latin1() -> None:
    net = parse(
        b'name: "na\xefve" layer { name: "na\xc3\xafve" type: "\\303\\257" }', pb.NetParameter
    )
    assert (net.name, net.layer[0].name, net.layer[0].type) == ("naïve", "naïve", "ï")


def test_column_counts_characters() -> None:
    with pytest.raises(ParseError) as caught:
        parse("name: 'ネット' x", pb.NetParameter)
    assert (caught.value.line, caught.value.column) == (1, 14)


@pytest.mark.parametrize("escape", [r"\q", r"\x", r"\u12", r"\U00110000", r"\8"])
def test_bad_escapes_are_refused(escape: str) -> None:
    with pytest.raises(ParseError, match="escape"):
        parse(f'name: "{escape}"', pb.NetParameter)


def test_good_escapes() -> None:
    text = r'name: "\a\b\f\v\r\?\'\x9\u00e9\ud83d\ude00\U0001F600\7"'
    assert parse(text, pb.NetParameter).name == "\a\b\f\v\r?'\té😀😀\7"


def test_reads_files(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text('input: "x"')
    (tmp_path / "solver.prototxt").write_text('net: "net.prototxt" max_iter: 3')
    assert list(read_net(str(tmp_path / "net.prototxt")).input) == ["x"]
    assert read_solver(str(tmp_path / "solver.prototxt")).max_iter == 3


@given(st.floats(width=32, allow_nan=False))
def test_floats_round_trip(value: float) -> None:
    layer = pb.LayerParameter(loss_weight=[value])
    assert parse(format_message(layer), pb.LayerParameter) == layer


@given(st.floats(allow_nan=False))
def test_doubles_round_trip(value: float) -> None:
    blob = pb.BlobProto(double_data=[value])
    assert parse(format_message(blob), pb.BlobProto) == blob


@given(st.text(st.characters(codec="utf-8")))
def test_strings_round_trip(name: str) -> None:
    net = pb.NetParameter(name=name)
    assert parse(format_message(net), pb.NetParameter) == net


@given(st.binary())
def test_bytes_round_trip(data: bytes) -> None:
    datum = pb.Datum(data=data)
    assert parse(format_message(datum), pb.Datum) == datum
