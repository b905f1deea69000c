"""Damaged, hostile and random files: one clear error each, and no hang."""

from __future__ import annotations

import tempfile
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigdl_caffe.errors import CaffeError, CaffeFormatError, ParseError
from bigdl_caffe.format import wire
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.blob import read_mean
from bigdl_caffe.format.prototxt import format_message, parse
from bigdl_caffe.format.source import open_weights
from bigdl_caffe.format.wire import index_caffemodel
from tests.format.wiredata import length, number, packed, unpacked, v2_layer, varint
from tests.paths import SHARED, needs_models

SMALL = (
    length(1, b"net")
    + v2_layer("a", length(7, length(1, b"\x02\x03")) + packed(5, range(6), "f"))
    + length(2, length(4, b"b") + number(5, 4) + length(6, unpacked(5, [1, 2], "f")))
    + length(100, length(1, b"h") + length(7, number(10, 2) + length(12, bytes(4))))
)


def read_all(data: bytes) -> None:
    """Index ``data`` and copy every blob; a CaffeFormatError is an answer, too."""
    with suppress(CaffeFormatError):
        for layer in index_caffemodel(data).layers:
            for blob in layer.blobs:
                assert 4 * blob.count <= 2 * len(data)  # half floats double
                blob.copy_to(np.empty(blob.count, np.float32))


def test_every_truncation() -> None:
    for end in range(len(SMALL)):
        read_all(SMALL[:end])


def test_every_flipped_bit() -> None:
    for bit in range(8 * len(SMALL)):
        data = bytearray(SMALL)
        data[bit // 8] ^= 1 << bit % 8
        read_all(bytes(data))


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    read_all(data)


@settings(max_examples=300)
@given(st.integers(0, len(SMALL)), st.integers(0, 20), st.binary(max_size=20))
def test_random_splices(at: int, cut: int, insert: bytes) -> None:
    read_all(SMALL[:at] + insert + SMALL[at + cut :])


@needs_models
def test_damaged_real_file(tmp_path: Path) -> None:
    data = (SHARED / "models" / "mtcnn_det1" / "weights.caffemodel").read_bytes()
    rng = np.random.default_rng(0)
    for end in rng.integers(0, len(data), 100):
        read_all(data[:end])
    for at, bit in zip(rng.integers(0, len(data), 300), rng.integers(0, 8, 300), strict=True):
        flipped = bytearray(data)
        flipped[at] ^= 1 << int(bit)
        read_all(bytes(flipped))
    path = tmp_path / "x"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CaffeFormatError, match="cut short") as caught:
        open_weights(path)
    assert caught.value.offset is not None


@pytest.mark.parametrize(
    "data",
    [
        v2_layer("l", *[b""] * 5_000),
        v2_layer("l", b"".join(packed(5, [0], "f") for _ in range(5_000))),
        length(100, b"") * 5_000,
        v2_layer("l", length(7, length(1, b"\xff\xff\xff\xff\x07" * 32))),
        length(100, b"")[:-1] + varint(2**63),
    ],
    ids=["blobs", "runs", "layers", "shape", "length"],
)
def test_memory_stays_bounded(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_PIECES", 4096)
    tracemalloc.start()
    with pytest.raises(CaffeFormatError):
        index_caffemodel(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4096 * 600


@given(st.binary(max_size=100))
def test_random_mean(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with suppress(CaffeError):
            read_mean(file.name)


@pytest.mark.parametrize(
    "unit", ["a {", "layer {", "a: [", "a <", "layer { param <", "net_param {"]
)
@pytest.mark.parametrize("kind", [pb.NetParameter, pb.SolverParameter])
def test_deep_nesting(unit: str, kind: type) -> None:
    with pytest.raises(ParseError):
        parse(unit * 100_000, kind)


@pytest.mark.parametrize(
    "text",
    [
        '"' * 200_000,
        "'" * 199_999,
        "name: '" + "\\" * 200_000,
        "name: '" + "\\a" * 200_000,
        "# x\n" * 100_000 + "$",
        " " * 500_000 + "$",
        "name: " + "9" * 300_000,
        "input_dim: " + "9" * 300_000,
        "layer { loss_weight: " + "1" * 100_000 + "e",
        "name: " + "'a' " * 100_000,
        "input: 'x' " + "-" * 100_000,
        "a: " + "0" * 100_000,
    ],
    ids=range(12),
)
def test_long_nonsense_takes_no_long_time(text: str) -> None:
    error = refusal(text)
    assert error is None or len(str(error)) < 300


WORDS = """layer layers name type input input_dim param pooling_param pool x { } < > [ ] : , ; -
1 0x 08 .5 1e 1e9 2f inf true MAX "a" 'b' "\\ ' # é \xff /"""
TOKENS = st.sampled_from([*WORDS.split(), "\n", "\t", "\0"])


def refusal(text: str) -> ParseError | None:
    """Return the error that ``text`` gives as a net, if any."""
    try:
        parse(text, pb.NetParameter)
    except ParseError as error:
        return error
    return None


@settings(max_examples=400)
@given(st.lists(TOKENS, max_size=25))
def test_random_tokens(tokens: list[str]) -> None:
    text = " ".join(tokens)
    error = refusal(text)
    if error is not None:
        assert error.line >= 1
        assert error.column >= 1
    else:
        written = format_message(parse(text, pb.NetParameter))
        assert format_message(parse(written, pb.NetParameter)) == written


EVERY_RULE = """name: 'a' layer { type: "b" loss_weight: [1, -.5e1] propagate_down: t
pooling_param { pool: MIN pool: 1 } data_param < source: 'a' source: 'b' > x { y: [<z: 0x1>] } }"""


def test_every_truncation_of_text() -> None:
    assert refusal(EVERY_RULE) is None
    for end in range(len(EVERY_RULE)):
        refusal(EVERY_RULE[:end])


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_random_text(data: bytes) -> None:
    for kind in (pb.NetParameter, pb.SolverParameter):
        with suppress(ParseError):
            parse(data, kind)
