"""Rules of stored blobs, and mean files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.blob import read_mean
from bigdl_caffe.format.source import fits
from tests.paths import SHARED, needs_models


@pytest.mark.parametrize(
    ("stored", "legacy", "shape", "fit"),
    [
        ((2, 3), False, (2, 3), True),
        ((1, 2, 3), False, (2, 3), False),
        ((1, 1, 2, 3), True, (2, 3), True),
        ((1, 2, 3, 1), True, (2, 3), False),
        ((1, 1, 1, 6), True, (6,), True),
        ((1, 1, 2, 3), True, (1, 1, 1, 2, 3), False),
        ((1, 1, 1, 1), True, (), True),
        (None, False, (2, 3), True),
        (None, False, (7,), False),
    ],
)
def test_fits_as_caffe_compares_shapes(
    stored: tuple[int, ...] | None, legacy: bool, shape: tuple[int, ...], fit: bool
) -> None:
    count = 6 if stored is None else int(np.prod(stored))
    assert fits(stored, legacy, count, shape) is fit


def mean_file(path: Path, **fields: object) -> Path:
    path.write_bytes(pb.BlobProto(data=range(12), **fields).SerializeToString())
    return path


@pytest.mark.parametrize(
    "fields",
    [
        {"num": 1, "channels": 3, "height": 2, "width": 2},
        {"shape": pb.BlobShape(dim=[3, 2, 2])},
        {"shape": pb.BlobShape(dim=[1, 3, 2, 2])},
    ],
)
def test_binaryproto(tmp_path: Path, fields: dict[str, object]) -> None:
    mean = read_mean(mean_file(tmp_path / "m.binaryproto", **fields))
    assert mean.dtype == np.float32
    assert (mean == np.arange(12).reshape(3, 2, 2)).all()


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.ones((3, 4, 5)))
    assert read_mean(tmp_path / "m.npy").shape == (3, 4, 5)
    np.save(tmp_path / "m.npy", np.ones(3))
    assert read_mean(tmp_path / "m.npy").shape == (3, 1, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY\x01\x00",
        b"\x89PNG\r\n\x1a\n",
        pb.BlobProto(data=[1, 2]).SerializeToString(),
        pb.BlobProto(data=[1, 2], shape=pb.BlobShape(dim=[1, 2])).SerializeToString(),
        pb.BlobProto(data=[1, 2], shape=pb.BlobShape(dim=[3, 2, 2])).SerializeToString(),
    ],
)
def test_what_is_no_mean_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(CaffeFormatError, match=r"mean|npy|picture|shape"):
        read_mean(tmp_path / "m")


@needs_models
def test_imagenet_mean() -> None:
    mean = read_mean(SHARED / "models" / "_shared" / "imagenet_mean.binaryproto")
    assert mean.shape == (3, 256, 256)
    assert np.allclose(mean.mean((1, 2)), [104.007, 116.669, 122.679], atol=1e-3)
