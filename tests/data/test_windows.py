"""WindowData against a plain transcription of window_data_layer.cpp's geometry."""

from __future__ import annotations

import math
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bigdl_caffe.data.windows import fit
from bigdl_caffe.errors import CaffeError, ShapeError
from tests.data.databases import picture
from tests.data.nets import read
from tests.data.test_transform import write_mean
from tests.image.pictures import encode

Array = np.ndarray[Any, Any]
HEIGHT, WIDTH = 30, 40


def c_round(value: float) -> int:
    return int(value + 0.5) if value > 0 else -int(-value + 0.5)


def caffes_crop(
    image: Array, box: tuple[int, ...], crop: int, pad: int, square: bool, mirror: bool
) -> Array:
    """Return the crop (height, width, channels) step by step as load_batch makes it."""
    cv2 = pytest.importorskip("cv2", reason="is what resizing is compared to")
    f = np.float32
    x1, y1, x2, y2 = box
    rows, columns = image.shape[:2]
    to_width = to_height = crop
    pad_w = pad_h = 0
    if pad > 0 or square:
        context = f(crop) / f(crop - 2 * pad)
        half_height, half_width = f((y2 - y1 + 1) / 2), f((x2 - x1 + 1) / 2)
        center_x, center_y = f(x1) + half_width, f(y1) + half_height
        if square:
            half_height = half_width = max(half_height, half_width)
        x1, x2 = c_round(center_x - half_width * context), c_round(center_x + half_width * context)
        y1, y2 = (
            c_round(center_y - half_height * context),
            c_round(center_y + half_height * context),
        )
        scale_x, scale_y = f(crop) / f(x2 - x1 + 1), f(crop) / f(y2 - y1 + 1)
        pad_x1, pad_y1 = max(0, -x1), max(0, -y1)
        pad_x2, pad_y2 = max(0, x2 - columns + 1), max(0, y2 - rows + 1)
        x1, x2, y1, y2 = x1 + pad_x1, x2 - pad_x2, y1 + pad_y1, y2 - pad_y2
        to_width = c_round(f(x2 - x1 + 1) * scale_x)
        to_height = c_round(f(y2 - y1 + 1) * scale_y)
        pad_h = c_round(f(pad_y1) * scale_y)
        pad_w = c_round(f(pad_x2 if mirror else pad_x1) * scale_x)
        to_height = min(to_height, crop - pad_h)
        to_width = min(to_width, crop - pad_w)
    warped = cv2.resize(
        np.ascontiguousarray(image[y1 : y2 + 1, x1 : x2 + 1]), (to_width, to_height)
    )
    out = np.full((crop, crop, 3), np.nan)
    out[pad_h : pad_h + to_height, pad_w : pad_w + to_width] = warped[:, ::-1] if mirror else warped
    return out


def write(folder: Path, windows: list[list[str]]) -> list[Array]:
    """Write pictures and window.txt with their windows, and return the pictures."""
    images, lines = [], []
    for i, found in enumerate(windows):
        images.append(np.moveaxis(picture(i, 3, HEIGHT, WIDTH), 0, 2))
        (folder / f"{i}.png").write_bytes(encode(Image.fromarray(images[-1][:, :, ::-1])))
        lines += [f"# {i}", f"{i}.png", "3", str(HEIGHT), str(WIDTH), str(len(found)), *found]
    (folder / "window.txt").write_text("\n".join(lines))
    return images


def options(crop: int = 9, more: str = "", transform: str = "") -> str:
    return (
        f"transform_param {{ crop_size: {crop} {transform} }} "
        f"window_data_param {{ source: 'window.txt' {more} }}"
    )


BOXES = [
    (5, 6, 20, 18),
    (0, 0, 39, 29),
    (0, 3, 4, 27),
    (30, 20, 39, 29),
    (0, 0, 0, 0),
    (17, 0, 18, 29),
]


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize(("crop", "pad"), [(9, 0), (9, 2), (16, 4), (16, 7)])
@pytest.mark.parametrize("box", BOXES)
def test_windows_lie_where_caffe_puts_them(
    tmp_path: Path, box: tuple[int, int, int, int], crop: int, pad: int, square: bool, mirror: bool
) -> None:
    line = " ".join(map(str, box))
    (image,) = write(tmp_path, [[f"7 1.0 {line}", f"3 0.0 {line}"]])
    mode = "square" if square else "warp"
    text = options(
        crop,
        f"batch_size: 4 fg_fraction: 0.5 context_pad: {pad} crop_mode: '{mode}' scale: 0.5",
        f"mean_value: 100 scale: 77 mirror: {str(mirror).lower()}",
    )
    both = [caffes_crop(image, box, crop, pad, square, m) for m in ([False, True][: 1 + mirror])]
    expected = [np.nan_to_num((crop - 100) * 0.5).transpose(2, 0, 1) for crop in both]
    seen = set()
    for batch in islice(read("WindowData", text, root=tmp_path, seed=1), 6):
        assert batch["label"].tolist() == [0, 0, 7, 7]
        for window in batch["data"]:
            same = [np.array_equal(window, one) for one in expected]
            assert any(same)
            seen.add(same.index(True))
    assert len(seen) == len({one.tobytes() for one in expected})


def test_the_centre_of_a_larger_mean_is_subtracted(tmp_path: Path) -> None:
    box = (0, 2, 9, 12)
    line = " ".join(map(str, box))
    (image,) = write(tmp_path, [[f"1 1 {line}", f"0 0 {line}"]])
    mean = np.random.default_rng(0).normal(100, 5, (3, 13, 13)).astype(np.float32)
    write_mean(tmp_path, mean)
    text = options(8, "batch_size: 1 context_pad: 2", "mean_file: 'mean.binaryproto'")
    crop = caffes_crop(image, box, 8, 2, False, False).transpose(2, 0, 1)
    expected = np.nan_to_num(crop.astype(np.float32) - mean[:, 2:10, 2:10])
    found = next(read("WindowData", text, root=tmp_path))["data"][0]
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ShapeError, match="too small for crop_size 14"):
        read("WindowData", text.replace("crop_size: 8", "crop_size: 14"), root=tmp_path)


def test_each_kind_of_window_is_drawn_alike_and_in_its_share(tmp_path: Path) -> None:
    lines = [
        [f"{k + 1} 0.9 {k} 0 {k + 5} 5" for k in range(3)] + ["1 0.5 0 0 3 3", "9 0.4 0 0 3 3"],
        [f"{k} 0.2 0 {k} 9 {k + 3}" for k in range(4)],
    ]
    write(tmp_path, lines)
    text = options(4, "batch_size: 30 fg_fraction: 0.25 fg_threshold: 0.6 bg_threshold: 0.3")
    labels = [b["label"] for b in islice(read("WindowData", text, root=tmp_path, seed=0), 60)]
    drawn = Counter(np.concatenate(labels).tolist())
    assert all((batch[:23] == 0).all() and (batch[23:] > 0).all() for batch in labels)
    assert set(drawn) == {0, 1, 2, 3}
    assert all(abs(drawn[k] - 7 * 60 / 3) < 40 for k in (1, 2, 3))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 foreground and 0 background"),
        ("# 0\n0.png\n3 30 40\n1\n1 1 0 0 3 3", "1 foreground and 0 background"),
        ("# 0\n0.png\n3 30 40\n1\n0 1 0 0 3 3", "image 0: a foreground window needs a label"),
        ("# 0\n0.png\n3 30 40\n2\n1 1 0 0 3", "entry 0 is no picture.*cut short"),
        ("# 0\n0.png\n3 30", "entry 0 is no picture"),
        ("0\n0.png", "'0' stands where # should"),
        ("# 5\n0.png\n3 30 40\n2\n1 1 0 0 3 3\n1 0 0 0 3 3", "numbered from 0"),
        ("# 0\n0.png\n1 30 40\n2\n1 1 0 0 3 3\n1 0 0 0 3 3", "1 channels: write 3"),
        ("# 0\n0.png\n3 30 40\n2\n1 1 0 0 3 3\n1 0 0 0 99 3", r"0.png: the window \(0, 0, 99"),
        ("# 0\nx.png\n3 30 40\n2\n1 1 0 0 3 3\n1 0 0 0 3 3", "no such file: .*x.png"),
    ],
)
def test_window_files_that_are_wrong_are_named(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, [[]])
    (tmp_path / "window.txt").write_text(text)
    with pytest.raises(CaffeError, match=rf"'l' \(WindowData\): .*{words}"):
        next(read("WindowData", options(more="batch_size: 4"), root=tmp_path, seed=0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (options(0, "batch_size: 4"), "crop_size is 0"),
        (options(8, "batch_size: 4 context_pad: 4"), "context_pad 4 leaves nothing"),
        (options(8, "batch_size: 4 fg_fraction: 1.5"), "fg_fraction is 1.5"),
        (options(8, "batch_size: 4", "resize_param { height: 3 width: 3 }"), "no meaning"),
    ],
)
def test_options_that_make_no_window(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CaffeError, match=words):
        read("WindowData", text, root=tmp_path)


def test_a_window_beside_the_picture_is_refused() -> None:
    with pytest.raises(CaffeError, match="does not lie in the picture of 30x40"):
        fit((60, 2, 70, 9), (30, 40), 16, 4, False, False)


def test_halves_are_rounded_away_from_zero() -> None:
    place = fit((0, 0, 2, 2), (30, 40), 8, 2, False, False)
    # The middle is 1.5, the half after widening 3: from -1.5, which is -2, to 4.5, which is 5.
    assert (place.x1, place.x2) == (0, 5)
    assert place.left == math.floor(2 * 8 / 8)
