"""The wire walker against protobuf's own reading of the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.caffemodel import Caffemodel
from bigdl_caffe.format.wire import index_caffemodel
from bigdl_caffe.format.wireblob import WireBlob
from tests.format.wiredata import length, number, packed, unpacked, v2_layer, varint
from tests.paths import SHARED, needs_models


def numbers(blob: WireBlob) -> np.ndarray:
    out = np.full(blob.count, np.nan, np.float32)
    blob.copy_to(out)
    return out


def expected(proto: pb.BlobProto) -> np.ndarray:
    if proto.HasField("raw_data"):
        return np.frombuffer(proto.raw_data, "<f2").astype(np.float32)
    return np.array(proto.double_data or proto.data, np.float64).astype(np.float32)


def only_blob(*fields: bytes) -> WireBlob:
    return index_caffemodel(v2_layer("l", b"".join(fields))).layers[0].blobs[0]


FLOATS = st.lists(st.floats(width=32, allow_nan=False), max_size=9)


@given(st.lists(st.tuples(st.sampled_from([packed, unpacked]), FLOATS)))
def test_packed_and_unpacked_floats_in_any_mix(parts: list) -> None:
    raw = b"".join(write(5, values, "f") for write, values in parts)
    blob = only_blob(raw)
    assert numbers(blob).tobytes() == expected(pb.BlobProto.FromString(raw)).tobytes()


@given(st.lists(st.tuples(st.sampled_from([packed, unpacked]), st.lists(st.floats(-1e9, 1e9)))))
def test_packed_and_unpacked_doubles_in_any_mix(parts: list) -> None:
    raw = b"".join(write(8, values, "d") for write, values in parts)
    blob = only_blob(raw)
    assert numbers(blob).tobytes() == expected(pb.BlobProto.FromString(raw)).tobytes()


def test_long_unpacked_run_is_one_run() -> None:
    values = np.arange(600_000, dtype=np.float32)
    raw = np.zeros(len(values), np.dtype([("tag", "u1"), ("value", "<f4")]))
    raw["tag"], raw["value"] = 5 << 3 | 5, values
    blob = only_blob(raw.tobytes(), unpacked(6, [1.0, 2.0], "f"), unpacked(5, [7.0], "f"))
    assert [run.length for run in blob.runs] == [600_000, 1]
    assert (numbers(blob) == np.append(values, np.float32(7))).all()


@pytest.mark.parametrize(
    ("fields", "shape", "legacy"),
    [
        ([length(7, length(1, varint(2) + varint(3)))], (2, 3), False),
        ([length(7, number(1, 2) + number(1, 3))], (2, 3), False),
        ([length(7, number(1, 2)), length(7, number(1, 3))], (2, 3), False),
        (
            [number(i, n) for i, n in zip((1, 2, 3, 4), (1, 1, 2, 3), strict=True)],
            (1, 1, 2, 3),
            True,
        ),
        ([number(1, 2), number(2, 3)], None, False),
        ([], None, False),
    ],
)
def test_shapes(fields: list[bytes], shape: tuple[int, ...] | None, legacy: bool) -> None:
    blob = only_blob(*fields, packed(5, range(6), "f"))
    assert (blob.shape, blob.legacy, blob.count) == (shape, legacy, 6)


def test_half_floats_as_nvidia_writes_them() -> None:
    values = np.array([0.1, -2.5, np.inf, 6e-8], "<f2")
    blob = only_blob(number(10, 2), length(12, values.tobytes()), length(7, length(1, varint(4))))
    assert blob.dtype == np.dtype("<f2")
    assert (numbers(blob) == values.astype(np.float32)).all()


def test_another_fork_s_use_of_the_half_float_numbers_is_ignored() -> None:
    blob = only_blob(
        unpacked(10, [0.5], "f"), number(12, 7), length(13, b"x"), packed(5, [1, 2], "f")
    )
    assert numbers(blob).tolist() == [1, 2]


def test_v1_and_v0_layers() -> None:
    blob = packed(5, [1, 2], "f")
    v1 = length(2, length(4, b"conv") + number(5, 4) + length(6, blob))
    v0 = length(2, length(1, length(1, b"old") + length(2, b"conv") + length(50, blob)))
    layers = index_caffemodel(length(1, b"net") + v1 + v0).layers
    assert [(x.name, x.type, len(x.blobs)) for x in layers] == [
        ("conv", "CONVOLUTION", 1),
        ("old", "conv", 1),
    ]


def test_names_decode_as_in_text() -> None:
    layers = index_caffemodel(length(100, length(1, b"na\xefve"))).layers
    assert layers[0].name == "naïve"


@pytest.mark.parametrize(
    "fields",
    [
        [length(7, number(1, 2) + number(1, 2**64 - 3))],
        [length(7, length(1, varint(2) + varint(2**64 - 3)))],
        [number(1, 1), number(2, 1), number(3, 2**64 - 3), number(4, 1)],
    ],
)
def test_a_negative_size_is_reported_at_its_place(fields: list[bytes]) -> None:
    data = v2_layer("l", b"".join(fields))
    with pytest.raises(CaffeFormatError, match="size -3") as caught:
        index_caffemodel(data)
    place = data.index(varint(2**64 - 3))
    assert caught.value.offset in (place, place - 1)  # of the number, or of its field


def test_count_must_fill_the_shape() -> None:
    shape = length(7, length(1, varint(2) + varint(3)))
    with pytest.raises(CaffeFormatError, match=r"'l', blob 0.*\(2, 3\) asks for 6 numbers, 2 are"):
        only_blob(shape, packed(5, [1, 2], "f"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
        (b'name: "LeNet"\nlayer {\n', "text"),
        (b"PK\x03\x04" + bytes(99), "zip"),
        (b"\x80\x02}q\x00", "pickle"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<html><body>404", "web page"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"\x08\x03\x12\x07pytorch\x1a\x031.9", "ONNX"),
        (number(1, 1) + number(2, 3) + packed(5, [0] * 3, "f"), "solverstate, a mean"),
        (b"\x0a\x01\x00" + varint(7 << 3 | 3), "group"),
        (b"\x0a\x01\x00" + varint(7 << 3 | 6), "wire type 6"),
        (b"\x00\x00", "no field number 0"),
        (b"\x0a\x01\x00" + b"\xff" * 11, "number ends nowhere"),
        (length(100, length(1, b"l") + number(7, 3)), "a blob is expected"),
        (v2_layer("l", length(5, b"abc")), "no whole count"),
        (v2_layer("l", length(7, length(1, b"\x01" * 33))), "over 32 axes"),
        (v2_layer("l", length(7, number(1, 2**64 - 1))), "negative size"),
    ],
)
def test_wrong_files_are_told(data: bytes, says: str) -> None:
    with pytest.raises(CaffeFormatError, match=says):
        index_caffemodel(data)


def test_empty_bytes_are_a_net_without_layers() -> None:
    assert index_caffemodel(b"").layers == ()


def real_models() -> Iterator[Path]:
    return (SHARED / "models").glob("*/*.caffemodel")


@needs_models
@pytest.mark.parametrize("path", sorted(real_models()), ids=lambda p: p.parent.name + "/" + p.name)
def test_real_models_as_protobuf_reads_them(path: Path) -> None:
    data = path.read_bytes()
    with Caffemodel(path) as model:
        assert model.index == index_caffemodel(data)
        try:
            net = pb.NetParameter.FromString(data)
        except Exception:  # a fork's clashing fields, which the walker does not touch
            assert path.parent.name in ("cifar10_full_ternary", "lenet_compress")
            net = pb.NetParameter.FromString(
                (path.parent / "weights_stripped.caffemodel").read_bytes()
            )
        theirs = [(x.name or x.layer.name, [*x.blobs, *x.layer.blobs]) for x in net.layers]
        theirs += [(x.name, list(x.blobs)) for x in net.layer]
        assert [x.name for x in model.layers] == [name for name, _ in theirs]
        for ours, (_, blobs) in zip(model.layers, theirs, strict=True):
            for blob, proto in zip(ours.blobs, blobs, strict=True):
                assert numbers(blob).tobytes() == expected(proto).tobytes()
                assert blob.legacy or blob.shape in (None, tuple(proto.shape.dim))


def test_past_two_gib(tmp_path: Path) -> None:
    size = 1_200_000_000
    path = tmp_path / "big.caffemodel"
    with path.open("wb") as file:
        for name in ("a", "b"):
            head = varint(5 << 3 | 2) + varint(size)
            inner = length(1, name.encode()) + varint(7 << 3 | 2) + varint(len(head) + size) + head
            file.write(varint(100 << 3 | 2) + varint(len(inner) + size) + inner)
            file.seek(size, 1)
        file.write(v2_layer("c", packed(5, [1.5, 2.5], "f")))
    with Caffemodel(path) as model:
        a, b, c = model.layers
        assert a.blobs[0].count == b.blobs[0].count == size // 4
        assert c.offset > 2**31
        assert numbers(c.blobs[0]).tolist() == [1.5, 2.5]
