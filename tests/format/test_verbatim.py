"""Caffemodels rewritten: the definition changed, the blobs as they were, or halved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from bigdl_caffe import CaffeError, CaffeFormatError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.caffemodel import Caffemodel
from bigdl_caffe.format.half import LARGEST, halve
from bigdl_caffe.format.verbatim import rewrite


def write(path: Path, *blobs: pb.BlobProto) -> Path:
    path.write_bytes(pb.NetParameter(layer=[{"name": "a", "blobs": blobs}]).SerializeToString())
    return path


def halved(folder: Path, *blobs: pb.BlobProto) -> list[pb.BlobProto]:
    halve(write(folder / "whole", *blobs), folder / "half")
    return list(pb.NetParameter.FromString((folder / "half").read_bytes()).layer[0].blobs)


def test_layers_may_go_and_move(tmp_path: Path) -> None:
    def change(net: pb.NetParameter) -> pb.NetParameter:
        one, two = net.layer
        two.blobs.extend(one.blobs)
        return pb.NetParameter(name="new", layer=[two])

    blobs = [pb.BlobProto(data=[i], diff=[7]) for i in range(2)]
    net = pb.NetParameter(layer=[{"name": f"l{i}", "blobs": [blobs[i]]} for i in range(2)])
    (tmp_path / "x").write_bytes(net.SerializeToString())
    rewrite(tmp_path / "x", tmp_path / "x", change)
    now = pb.NetParameter.FromString((tmp_path / "x").read_bytes())
    assert (now.name, [layer.name for layer in now.layer]) == ("new", ["l1"])
    assert list(now.layer[0].blobs) == blobs[::-1]


def test_v0_has_to_be_upgraded(tmp_path: Path) -> None:
    net = pb.NetParameter(layers=[{"layer": {"name": "a", "type": "relu"}}])
    (tmp_path / "x").write_bytes(net.SerializeToString())
    with pytest.raises(CaffeError, match="V0 terms"):
        halve(tmp_path / "x", tmp_path / "y")


def test_what_is_damaged_leaves_the_target(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff" * 20)
    (tmp_path / "y").write_bytes(b"old")
    with pytest.raises(CaffeFormatError):
        halve(tmp_path / "x", tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == b"old"


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=0, max_dims=5, max_side=3),
        elements=st.floats(-65504, 65504, width=32) | st.sampled_from([np.nan, np.inf, -np.inf]),
    )
)
def test_numbers_are_rounded_and_shapes_kept(
    tmp_path_factory: pytest.TempPathFactory, numbers: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp("half")
    shape = pb.BlobShape(dim=numbers.shape)
    halved(folder, pb.BlobProto(shape=shape, data=numbers.ravel()))
    with Caffemodel(folder / "half") as file:
        ((blob,),) = (layer.blobs for layer in file.layers)
        back = np.empty(blob.count, np.float32)
        blob.copy_to(back)
    assert blob.shape == numbers.shape
    np.testing.assert_array_equal(back, numbers.ravel().astype(np.float16).astype(np.float32))


def test_every_kind_of_blob(tmp_path: Path) -> None:
    legacy, double, half, bare = halved(
        tmp_path,
        pb.BlobProto(num=1, channels=1, height=1, width=2, data=[1, 2]),
        pb.BlobProto(shape=pb.BlobShape(dim=[1]), double_data=[0.5], diff=[1]),
        pb.BlobProto(raw_data_type=pb.FLOAT16, raw_data=np.float16([3]).tobytes()),
        pb.BlobProto(data=[4]),
    )
    assert (legacy.num, legacy.width, legacy.HasField("shape")) == (1, 2, False)
    assert (list(double.shape.dim), len(double.double_data), len(double.diff)) == ([1], 0, 0)
    stored = [np.frombuffer(b.raw_data, "<f2").tolist() for b in (legacy, double, half, bare)]
    assert stored == [[1, 2], [0.5], [3], [4]]
    assert {b.raw_data_type for b in (legacy, double, half, bare)} == {pb.FLOAT16}


def test_a_number_too_large(tmp_path: Path) -> None:
    assert halved(tmp_path, pb.BlobProto(data=[LARGEST]))
    with pytest.raises(CaffeError, match="layer 'a' holds the number 65505"):
        halved(tmp_path, pb.BlobProto(data=[-65505]))
