from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.image.recipe import Recipe

MEAN = np.random.default_rng(0).random((3, 12, 16), dtype=np.float32) * 255


def test_it_says_every_step():
    recipe = Recipe(
        resize=(12, 16), crop=(9, 10), mean=MEAN, scale=0.017, channel_order="RGB", orient=False
    )
    assert str(recipe).splitlines() == [
        "1. decode to 3 channels in the order BGR, 0 to 255, EXIF orientation ignored",
        "2. resize to 12x16 (height x width; bilinear, aspect ratio not kept)",
        "3. keep the centre 9x10",
        "4. reorder the channels from BGR to RGB",
        "5. subtract the mean picture of 12x16, at the place of the centre",
        "6. multiply by 0.017",
        "7. give floats of shape (channels, height, width) = 3, 9, 10",
    ]


def test_mean_values_are_named_by_channel():
    assert "subtract B 104, G 117, R 123" in str(Recipe(resize=(4, 4), mean=(104, 117, 123)))
    rgb = Recipe(resize=(4, 4), mean=(123, 117, 104), channel_order="RGB")
    assert "subtract R 123, G 117, B 104" in str(rgb)
    assert "subtract 127.5" in str(Recipe(resize=(4, 4), mean=(127.5,)))


def test_steps_that_do_nothing_are_not_said():
    assert len(str(Recipe(resize=(4, 4), crop=(4, 4))).splitlines()) == 3


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(resize=(12, 16)),
        Recipe(resize=(12, 16), crop=(9, 10), mean=MEAN, scale=1 / 3),
        Recipe(channels=1, crop=(5, 5), mean=(33.3,), orient=False),
        Recipe(resize=(2, 2), mean=(0.1, 0.2, 0.3), channel_order="RGB"),
        Recipe(resize=(2, 2), max_pixels=1000),
    ],
    ids=str,
)
def test_json_and_pickle_give_an_equal_one(recipe):
    for again in (Recipe.from_json(recipe.to_json()), pickle.loads(pickle.dumps(recipe))):
        assert again == recipe
        assert hash(again) == hash(recipe)
        assert str(again) == str(recipe)
        assert again.scale == recipe.scale


def test_json_from_before_max_pixels_is_read():
    fields = json.loads(Recipe(resize=(2, 2)).to_json())
    del fields["max_pixels"]
    assert Recipe.from_json(json.dumps(fields)) == Recipe(resize=(2, 2))


def test_the_limit_is_said_where_it_is_not_the_usual():
    assert "ignored, at most 9 pixels" in str(Recipe(resize=(2, 2), orient=False, max_pixels=9))


def test_the_mean_of_another_one_cannot_change_it():
    mean = MEAN.copy()
    recipe = Recipe(resize=(12, 16), mean=mean)
    mean[:] = 0
    assert np.array_equal(recipe.mean, MEAN)
    with pytest.raises(ValueError, match="read-only"):
        recipe.mean[:] = 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "fixes no size"),
        ({"resize": (0, 4)}, "at least 1"),
        ({"resize": (4,)}, "give \\(height, width\\)"),
        ({"resize": (4, 4), "crop": (5, 4)}, "does not fit"),
        ({"resize": (4, 4), "channels": 2}, "1 or 3"),
        ({"resize": (4, 4), "channel_order": "GBR"}, "use 'BGR' or 'RGB'"),
        ({"resize": (4, 4), "scale": float("nan")}, "finite"),
        ({"resize": (4, 4), "max_pixels": 0}, "max_pixels is 0"),
        ({"resize": (4, 4), "max_pixels": 1e6}, "max_pixels is 1000000.0: use a whole number"),
        ({"resize": (4, 4), "mean": (1, 2)}, "2 mean values for 3 channels"),
        ({"resize": (4, 4), "mean": (1, 2, float("inf"))}, "not finite"),
        ({"resize": (4, 4), "mean": np.zeros((4, 4))}, "shape \\(4, 4\\)"),
        ({"resize": (4, 4), "mean": np.zeros((1, 4, 4))}, "1 channels of 4x4"),
        ({"resize": (8, 8), "crop": (4, 4), "mean": MEAN}, "3 of 8x8 or 4x4"),
    ],
)
def test_what_does_not_fit_is_refused_when_built(fields, message):
    with pytest.raises(ShapeError, match=message):
        Recipe(**fields)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "{}x", '{"resize": [4, 4], "what": 1}', '{"resize": 4}',
     '{"resize": [4, 4], "mean": {"shape": [3, 4, 4], "float32": "AAAA"}}',
     '{"resize": [4, 4], "mean": {"shape": [3, 4, 4]}}',
     '{"resize": [4, 4], "scale": "x"}', '{"resize": ["a", "b"]}'],
)  # fmt: skip
def test_other_text_is_not_a_recipe(text):
    with pytest.raises(CaffeError):
        Recipe.from_json(text)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(1e-6, 10))
def test_numbers_survive_json(mean, scale):
    recipe = Recipe(resize=(2, 2), mean=(mean,), scale=scale)
    again = Recipe.from_json(recipe.to_json())
    assert (again.mean, again.scale) == (recipe.mean, recipe.scale)
