from __future__ import annotations

import json
import re

import numpy as np
import pytest

from bigdl_caffe.errors import CaffeError, ImageError
from bigdl_caffe.image.decode import decode
from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.image.transform import Cut, apply, apply_into, batch
from tests.image.pictures import encode, gradient, photo
from tests.paths import GOLDEN, SHARED, needs_models

PYAPI = GOLDEN / "pyapi"


def by_caffes_loop(image, crop, mean, scale):
    """data_transformer.cpp's loop, TEST phase, as it stands there."""
    height, width, channels = image.shape
    h_off, w_off = (height - crop) // 2, (width - crop) // 2
    out = np.empty((channels, crop, crop), np.float32)
    for c in range(channels):
        for h in range(crop):
            for w in range(crop):
                pixel = np.float32(image[h_off + h, w_off + w, c])
                out[c, h, w] = (pixel - mean[c, h_off + h, w_off + w]) * np.float32(scale)
    return out


@pytest.mark.parametrize("size", [(12, 15), (13, 14), (9, 9)])
def test_mean_picture_crop_and_scale_are_caffes(size):
    image = gradient(*size)
    mean = np.random.default_rng(1).random((3, *size), dtype=np.float32) * 255
    recipe = Recipe(resize=size, crop=(9, 9), mean=mean, scale=0.0078125)
    assert np.array_equal(apply(recipe, image), by_caffes_loop(image, 9, mean, 0.0078125))


def test_mean_values_are_caffes():
    image = gradient(10, 11)
    values = (104.0, 116.7, 122.9)
    mean = np.broadcast_to(np.array(values, np.float32)[:, None, None], (3, 10, 11))
    found = apply(Recipe(crop=(8, 8), mean=values, scale=0.017), image)
    assert np.array_equal(found, by_caffes_loop(image, 8, mean, 0.017))
    one = apply(Recipe(crop=(8, 8), mean=(values[0],)), image)
    assert np.array_equal(one[2], image[1:9, 1:9, 2] - np.float32(104))


def test_rgb_reorders_before_the_mean():
    image = gradient(4, 4)
    found = apply(Recipe(resize=(4, 4), mean=(1, 2, 3), channel_order="RGB"), image)
    expected = image[:, :, ::-1].astype(np.float32) - np.array([1, 2, 3], np.float32)
    assert np.array_equal(found, expected.transpose(2, 0, 1))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("kind", ["picture", "values", "crop", None])
@pytest.mark.parametrize(
    ("place", "corner"), [(None, (2, 1)), ((0.0, 0.0), (0, 0)), ((0.999, 0.7), (4, 2))]
)
def test_a_crop_may_lie_elsewhere_and_be_mirrored(kind, place, corner, mirrored):
    image, (top, left) = gradient(12, 11), corner
    means = np.random.default_rng(2).random((3, 12, 11), dtype=np.float32) * 255
    mean, part = {
        "picture": (means, means[:, top : top + 8, left : left + 8]),
        "values": ((1.5, 2.5, 3.5), np.array([1.5, 2.5, 3.5], np.float32).reshape(3, 1, 1)),
        "crop": (means[:, :8, :8], means[:, :8, :8]),
        None: (None, np.float32(0)),
    }[kind]
    recipe = Recipe(resize=(12, 11), crop=(8, 8), mean=mean, scale=0.5)
    found = np.empty(recipe.shape, np.float32)
    apply_into(recipe, image, found, Cut(place, mirrored))
    pixels = image[top : top + 8, left : left + 8].transpose(2, 0, 1).astype(np.float32)
    expected = (pixels - part) * np.float32(0.5)
    assert np.array_equal(found, expected[:, :, ::-1] if mirrored else expected)


def test_a_mean_of_the_crops_size_is_subtracted_after_it():
    image, mean = gradient(8, 8), np.arange(48, dtype=np.float32).reshape(3, 4, 4)
    found = apply(Recipe(resize=(8, 8), crop=(4, 4), mean=mean), image)
    assert np.array_equal(found, image[2:6, 2:6].transpose(2, 0, 1) - mean)


def test_apply_into_writes_the_given_slot():
    image = gradient(6, 6)
    array = np.full((3, 3, 6, 6), 7, np.float32)
    apply_into(Recipe(resize=(6, 6)), image, array[1])
    assert np.array_equal(array[1], image.transpose(2, 0, 1))
    assert (array[[0, 2]] == 7).all()


def test_grey_takes_two_axes_or_three():
    image = gradient(6, 6, channels=1)
    recipe = Recipe(channels=1, resize=(3, 3), scale=1 / 256)
    assert np.array_equal(apply(recipe, image), apply(recipe, image[:, :, 0]))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((5, 5, 4), np.uint8), r"shape \(5, 5, 4\).*\(height, width, 3\)"),
        (np.zeros((5, 5), np.uint8), r"shape \(5, 5\)"),
        (np.zeros((0, 5, 3), np.uint8), r"shape \(0, 5, 3\)"),
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (np.zeros((3, 9, 3), np.uint8), "smaller than the crop 4x4"),
    ],
)
def test_a_picture_that_does_not_fit_says_so(image, message):
    with pytest.raises(ImageError, match=message):
        apply(Recipe(crop=(4, 4)), image)


def test_every_seventh_broken():
    good = encode(photo())
    images = [b"broken" if i % 7 == 0 else good for i in range(100)]
    images[3] = None
    images[5] = gradient()
    images[6] = good[:-200]
    recipe = Recipe(resize=(8, 8), mean=(104, 117, 123))
    array, rows, errors = batch(recipe, images)
    bad = {i for i, reason in enumerate(errors) if reason}
    assert bad == {*range(0, 100, 7), 3, 6}
    assert rows.tolist() == [i for i in range(100) if i not in bad]
    assert array.shape == (len(rows), 3, 8, 8)
    expected = apply(recipe, decode(good))
    assert all(np.array_equal(array[k], expected) for k, i in enumerate(rows) if i != 5)
    assert "null" in errors[3]
    assert "truncated" in errors[6]


def test_a_batch_of_none_or_of_nothing_good():
    recipe = Recipe(resize=(8, 8))
    assert batch(recipe, []).array.shape == (0, 3, 8, 8)
    array, rows, errors = batch(recipe, [b"", None])
    assert (len(array), len(rows), len(errors)) == (0, 0, 2)


def test_a_missing_pillow_stops_the_batch(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(CaffeError, match="needs Pillow"):
        batch(Recipe(resize=(8, 8)), [b"x"])


# pycaffe's Transformer reads floats in 0..1. Its resize fades to black along the border (an
# old scikit-image), which no recipe does, so its own resized picture goes in.
TRANSFORMER = json.loads((PYAPI / "transformer.json").read_text())


@pytest.mark.parametrize("name", ["transpose", "caffenet", "scaled", "meanimg"])
def test_pycaffes_transformer(name):
    golden, case = np.load(PYAPI / "transformer.npz"), TRANSFORMER[name]
    resized = golden["pre/transpose"].transpose(1, 2, 0)
    raw = case.get("raw_scale", 1.0)
    mean = golden["mean/meanimg"] if name == "meanimg" else case.get("mean", ())
    recipe = Recipe(
        resize=resized.shape[:2],
        mean=np.asarray(mean) / raw,
        scale=raw * case.get("input_scale", 1.0),
        channel_order="RGB" if "channel_swap" in case else "BGR",  # swaps, whatever they are
    )
    expected = golden[f"pre/{name}"]
    np.testing.assert_allclose(
        apply(recipe, resized), expected, rtol=0, atol=1e-5 * np.abs(expected).max()
    )


IMAGE_IO = re.compile(
    r"image (\S+) resized to (\d+)x(\d+) .*mean \(([^)]*)\), scale ([^,]+), swapRB (\w+)"
)
MODELS = SHARED / "models"


@needs_models
@pytest.mark.parametrize("model", sorted(p.parent.name for p in MODELS.glob("*/image_io.txt")))
def test_opencvs_input_for_a_real_picture(model):
    line = (MODELS / model / "image_io.txt").read_text()
    name, width, height, mean, scale, swap = IMAGE_IO.match(line).groups()
    expected = np.load(MODELS / model / "opencv_image_io.npz")["in"][0]
    channels = len(expected)
    recipe = Recipe(
        channels=channels,
        resize=(int(height), int(width)),
        mean=[float(v) for v in mean.split(",")][:channels],
        scale=float(scale),
        channel_order="RGB" if swap == "True" else "BGR",
    )
    found = apply(recipe, decode((MODELS / name).read_bytes(), channels))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
