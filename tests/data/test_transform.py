"""transform_param against a plain transcription of data_transformer.cpp's loops."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe.data.source import Place
from bigdl_caffe.data.transform import Transform
from bigdl_caffe.errors import CaffeError, ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from tests.data.databases import picture

Array = np.ndarray[Any, Any]


def transform(text: str, phase: str = "TEST", root: Path | None = None) -> Transform:
    return Transform(parse(text, pb.TransformationParameter), phase, Place(root))


def write_mean(folder: Path, mean: Array) -> None:
    message = pb.BlobProto(shape=pb.BlobShape(dim=[1, *mean.shape]), data=mean.ravel().tolist())
    (folder / "mean.binaryproto").write_bytes(message.SerializeToString())


def loops(
    image: Array, crop: int, mean: Array | None, scale: float, top: int, left: int, mirror: bool
) -> Array:
    """Walk over the pixels as Caffe does; ``mean`` is a picture, or values (c, 1, 1)."""
    channels, height, width = image.shape
    out = np.empty((channels, crop or height, crop or width), np.float32)
    for c, y, x in np.ndindex(*out.shape):
        value = np.float32(image[c, top + y, left + x])
        if mean is not None:
            whole = mean.shape[1] > 1
            value -= mean[c, top + y, left + x] if whole else mean[c % len(mean), 0, 0]
        out[c, y, out.shape[2] - 1 - x if mirror else x] = value * np.float32(scale)
    return out


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("mean", [None, "picture", "one", "each"])
@pytest.mark.parametrize("crop", [0, 4])
@pytest.mark.parametrize("phase", ["TEST", "TRAIN"])
def test_every_step_is_caffes(
    tmp_path: Path, dtype: type, mean: str | None, crop: int, phase: str
) -> None:
    image = picture(1, 3, 7, 9).astype(dtype)
    means = {
        "picture": np.random.default_rng(2).normal(100, 9, image.shape).astype(np.float32),
        "one": np.array([[[104.5]]], np.float32),
        "each": np.array([104.5, 117.25, 123.0], np.float32).reshape(3, 1, 1),
    }
    text = f"mirror: true scale: 0.017 crop_size: {crop} "
    if mean == "picture":
        write_mean(tmp_path, means[mean])
        text += "mean_file: 'mean.binaryproto'"
    elif mean:
        text += " ".join(f"mean_value: {value}" for value in means[mean].ravel())
    step = transform(text, phase, tmp_path)
    assert step.shape(image.shape) == (3, crop or 7, crop or 9)
    rng = np.random.default_rng(3)
    for _ in range(6):
        view = step.view(image.shape, rng)
        where = (view.top, view.left, view.mirrored)
        expected = loops(image, crop, means.get(mean or ""), 0.017, *where)
        np.testing.assert_array_equal(step.cut(image, view), expected)


def test_the_centre_is_cropped_in_test_phase() -> None:
    view = transform("crop_size: 4").view((3, 7, 10), np.random.default_rng(0))
    assert (view.top, view.left, view.mirrored) == (1, 3, False)


def test_crop_h_and_crop_w_are_ssds() -> None:
    step = transform("crop_h: 4 crop_w: 6")
    assert step(picture(0, 3, 7, 9), np.random.default_rng(0)).shape == (3, 4, 6)


def test_training_crops_every_place_alike_and_mirrors_half() -> None:
    step = transform("crop_size: 4 mirror: true", "TRAIN")
    rng = np.random.default_rng(5)
    views = [step.view((3, 6, 5), rng) for _ in range(6000)]
    places = Counter((view.top, view.left) for view in views)
    assert set(places) == {(y, x) for y in range(3) for x in range(2)}
    assert all(850 < n < 1150 for n in places.values())
    assert 2850 < sum(view.mirrored for view in views) < 3150


def test_mirroring_is_random_in_test_phase_too() -> None:
    step, rng = transform("mirror: true"), np.random.default_rng(5)
    assert {step.view((3, 6, 5), rng).mirrored for _ in range(50)} == {True, False}


def test_ssds_warp_is_opencvs() -> None:
    cv2 = pytest.importorskip("cv2", reason="is what resizing is compared to")
    step = transform("resize_param { height: 20 width: 13 interp_mode: LINEAR } mean_value: 3")
    image = picture(0, 3, 9, 11)
    warped = cv2.resize(np.moveaxis(image, 0, 2), (13, 20))
    found = step(image, np.random.default_rng(0))
    np.testing.assert_array_equal(found, np.moveaxis(warped, 2, 0).astype(np.float32) - 3)
    assert step.shape(image.shape) == found.shape


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("crop_size: 8", "smaller than the crop 8x8"),
        ("mean_value: 1 mean_value: 2", "2 values of mean_value for 3 channels"),
        ("mean_file: 'mean.binaryproto'", r"mean file is \(3, 5, 5\)"),
        ("mean_file: 'mean.binaryproto' crop_size: 5", r"mean file is \(3, 5, 5\)"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(tmp_path: Path, text: str, words: str) -> None:
    write_mean(tmp_path, np.zeros((3, 5, 5), np.float32))
    step = transform(text, root=tmp_path)
    with pytest.raises(ShapeError, match=words):
        step(picture(0, 3, 7, 9), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mean_value: 1 mean_file: 'mean.binaryproto'", "keep one of them"),
        ("mean_file: 'none'", "no such file"),
        ("resize_param { }", "a height and a width"),
    ],
)
def test_options_that_caffe_refuses(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CaffeError, match=words):
        transform(text, root=tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("distort_param { brightness_prob: 0.5 }", "distort_param"),
        ("max_rotation_angle: 3", "max_rotation_angle"),
        ("scale_factors: 0.5", "scale_factors"),
        ("resize_param { height: 2 width: 2 interp_mode: AREA }", "WARP and interp_mode: LINEAR"),
        ("resize_param { height: 2 width: 2 resize_mode: FIT_SMALL_SIZE }", "WARP"),
        ("resize_param { height: 2 width: 2 } mean_file: 'm'", "mean_file with resize_param"),
    ],
)
def test_options_of_forks_are_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(UnsupportedLayerError, match=words):
        transform(text)


def test_options_of_forks_that_change_nothing_are_taken() -> None:
    transform("display: true random_seed: 3 max_rotation_angle: 0")
