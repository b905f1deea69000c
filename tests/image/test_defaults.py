from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import text_format

from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.blob import read_mean
from bigdl_caffe.image.defaults import recipe_for
from tests.paths import SHARED, needs_models


def transform(text: str) -> pb.TransformationParameter:
    return text_format.Parse(text, pb.TransformationParameter())


def write_mean(path, shape=(3, 16, 16), legacy=False):
    blob = pb.BlobProto()
    blob.data.extend(np.arange(np.prod(shape), dtype=np.float32) / 10)
    if legacy:
        blob.num, (blob.channels, blob.height, blob.width) = 1, shape
    else:
        blob.shape.dim.extend(shape)
    path.write_bytes(blob.SerializeToString())
    return np.array(blob.data, np.float32).reshape(shape)


def test_without_a_transform_pictures_are_only_resized():
    recipe = recipe_for(None, (3, 224, 200))
    assert (recipe.resize, recipe.crop, recipe.mean, recipe.scale) == ((224, 200), None, None, 1)


def test_values_and_scale_come_from_the_prototxt():
    recipe = recipe_for(
        transform("mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.017 mirror: true"),
        (3, 8, 8),
    )
    assert recipe.mean == (104, 117, 123)
    assert recipe.scale == pytest.approx(0.017)


def test_a_larger_mean_file_means_resize_then_crop(tmp_path):
    mean = write_mean(tmp_path / "mean.binaryproto", legacy=True)
    recipe = recipe_for(
        transform('mean_file: "data/ilsvrc12/mean.binaryproto" crop_size: 12'),
        (3, 12, 12),
        tmp_path,
    )
    assert (recipe.resize, recipe.crop) == ((16, 16), (12, 12))
    assert np.array_equal(recipe.mean, mean)
    assert np.array_equal(recipe.subtrahend, mean[:, 2:14, 2:14])


def test_the_callers_word_stands_above_the_prototxt():
    asked = transform('mean_file: "nowhere" scale: 2 crop_size: 4 cvt_bgr2rgb: true')
    assert recipe_for(asked, (3, 4, 4), mean=()).channel_order == "RGB"
    recipe = recipe_for(
        asked, (3, 4, 4), resize=(9, 9), mean=[1, 2, 3], scale=3, channel_order="BGR", orient=False
    )
    assert (recipe.resize, recipe.crop, recipe.mean) == ((9, 9), (4, 4), (1, 2, 3))
    assert (recipe.scale, recipe.channel_order, recipe.orient) == (3, "BGR", False)


def test_ssds_warp_is_the_resize():
    asked = transform("resize_param { prob: 1 resize_mode: WARP height: 300 width: 310 }")
    assert recipe_for(asked, (3, 300, 310)).resize == (300, 310)
    fit = transform("resize_param { resize_mode: FIT_LARGE_SIZE_AND_PAD height: 30 width: 30 }")
    with pytest.raises(ShapeError, match="FIT_LARGE_SIZE_AND_PAD is not supported"):
        recipe_for(fit, (3, 30, 30))


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ("crop_size: 227", (3, 224, 224), "crops to 227x227, but the input is 224x224"),
        ("force_gray: true", (3, 4, 4), "forces 1 channels"),
        ("force_color: true", (1, 4, 4), "forces 3 channels"),
        ("mean_value: 1 mean_value: 2", (3, 4, 4), "2 mean values for 3 channels"),
        ('mean_value: 1 mean_file: "x"', (3, 4, 4), "both mean_file and mean_value"),
        ('mean_file: "x/y.binaryproto"', (3, 4, 4), "cannot be read; pass mean="),
    ],
)
def test_a_transform_that_does_not_fit_is_refused(text, shape, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        recipe_for(transform(text), shape, tmp_path)


def test_too_small_a_mean_file_is_refused(tmp_path):
    write_mean(tmp_path / "m", (3, 16, 16))
    with pytest.raises(ShapeError, match="does not fit"):
        recipe_for(transform('mean_file: "m"'), (3, 20, 20), tmp_path)


@needs_models
def test_imagenets_mean():
    path = str(SHARED / "models" / "_shared" / "imagenet_mean.binaryproto")
    mean = read_mean(path)
    assert mean.shape == (3, 256, 256)
    np.testing.assert_allclose(mean.mean(axis=(1, 2)), [104.0, 116.7, 122.7], atol=0.1)
    assert recipe_for(None, (3, 227, 227), mean=path).crop == (227, 227)
