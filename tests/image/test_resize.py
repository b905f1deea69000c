from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigdl_caffe.image.resize import resize
from tests.paths import GOLDEN

SIDE = st.integers(1, 70)


def opencv(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    cv2 = pytest.importorskip(
        "cv2", reason="opencv-python-headless is what resizing is compared to"
    )
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR).reshape(*size, -1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((375, 500), (224, 224)),
        ((480, 640), (256, 256)),
        ((200, 200), (100, 100)),
        ((32, 32), (227, 227)),
        ((7, 5), (300, 300)),
        ((300, 301), (299, 300)),
        ((1, 1), (4, 4)),
        ((540, 960), (30, 30)),
    ],
)
def test_bytes_equal_opencv_bit_for_bit(before, after, channels):
    image = np.random.default_rng(0).integers(0, 256, (*before, channels), dtype=np.uint8)
    assert np.array_equal(resize(image, after), opencv(image, after))


@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from([1, 3]), st.integers(0, 99))
@settings(deadline=None)
def test_any_size_equals_opencv(height, width, to_height, to_width, channels, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    found = resize(image, (to_height, to_width))
    assert np.array_equal(found, opencv(image, (to_height, to_width)))


def test_floats_equal_opencv():
    image = np.random.default_rng(0).random((33, 47, 3), dtype=np.float32)
    for size in ((20, 30), (60, 90), (64, 20)):
        np.testing.assert_allclose(resize(image, size), opencv(image, size), atol=2e-6)


def test_the_right_size_is_left_alone():
    image = np.zeros((4, 5, 3), np.uint8)
    assert resize(image, (4, 5)) is image


def test_a_turned_view_is_resized_as_its_copy():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    turned = image.swapaxes(0, 1)[::-1]
    assert np.array_equal(resize(turned, (9, 9)), resize(turned.copy(), (9, 9)))


def test_enlarging_equals_pycaffe_inside_the_border():
    # pycaffe's resize_image (an old scikit-image) fades to the minimum along the border.
    golden = np.load(GOLDEN / "pyapi" / "transformer.npz")
    found = resize(golden["image"], (40, 33))
    np.testing.assert_allclose(found[1:-1, 1:-1], golden["resize/40x33"][1:-1, 1:-1], atol=1e-6)
    assert np.array_equal(resize(golden["image"], (20, 30)), golden["resize/20x30"])
