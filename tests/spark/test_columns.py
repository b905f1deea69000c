"""What Arrow columns may hold, images above all, without Spark."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.spark.columns import READERS, Feed, kind_of, read
from tests.spark.columns import BINARIES, GOOD, IMAGE, SHAPED, SIZES, VECTOR, found

COLOUR = Recipe(3, resize=(2, 2))


def file_of(rgb: np.ndarray[Any, Any], kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, kind)
    return file.getvalue()


def png(value: int) -> bytes:
    return file_of(np.full((2, 2, 3), value, np.uint8))


@pytest.mark.parametrize("kind", BINARIES, ids=str)
def test_encoded_images(kind: pa.DataType) -> None:
    feed = Feed("data", 0, "encoded", (3, 2, 2), COLOUR)
    values, errors = found([png(5), b"no picture", None, b"", png(7)], kind, feed)
    assert values == [[5] * 12, None, None, None, [7] * 12]
    assert "not a picture" in (errors[1] or "")
    assert "the value is null" in (errors[2] or "")


def image(mode: int | None, data: bytes | None, **other: int | None) -> dict[str, Any]:
    shape = {"height": 2, "width": 2, "nChannels": 3}
    return {"origin": "", **shape, "mode": mode, "data": data, **other}


def planes(pixels: np.ndarray[Any, Any]) -> list[float]:
    flat: list[float] = pixels.transpose(2, 0, 1).ravel().tolist()
    return flat


PIXELS = np.arange(12).reshape(2, 2, 3)
ALPHA = np.dstack([PIXELS, np.full((2, 2), 255)])
GREY = np.repeat(PIXELS[:, :, :1], 3, axis=2)
STRUCTS: list[tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any]]] = [
    (16, PIXELS.astype("u1"), PIXELS),
    (0, PIXELS[:, :, 0].astype("u1"), GREY),
    (24, ALPHA.astype("u1"), PIXELS),
    (18, (256 * PIXELS + 255).astype("<u2"), PIXELS),
    (2, (256 * PIXELS[:, :, 0] + 255).astype("<u2"), GREY),
    (26, (256 * ALPHA).astype("<u2"), PIXELS),
    (21, (PIXELS + 0.5).astype("<f4"), PIXELS + 0.5),
    (5, (PIXELS[:, :, 0] - 0.5).astype("<f4"), GREY - 0.5),
    (29, ALPHA.astype("<f4"), PIXELS),
]


def test_spark_image_structs() -> None:
    data = [image(mode, pixels.tobytes()) for mode, pixels, _ in STRUCTS]
    values, errors = found(data, IMAGE, Feed("data", 0, "image", (3, 2, 2), COLOUR))
    assert set(errors) == {None}
    assert values == [planes(expected) for _, _, expected in STRUCTS]


BAD_IMAGES: list[tuple[dict[str, Any] | None, str]] = [
    (None, "the value is null"),
    (image(16, None), "the value is null"),
    (image(-1, b""), "mode is -1: of OpenCV's types those that are read are [0, 2, 5,"),
    (image(None, b""), "mode is None"),
    (image(22, bytes(96)), "mode is 22"),
    (image(16, b"short"), "holds 5 bytes, not the 12"),
    (image(16, b"", height=None), "height is None and its width 2"),
    (image(16, bytes(3), height=-1, width=-1), "height is -1 and its width -1"),
    (image(16, b"", width=0), "height is 2 and its width 0"),
    (image(16, b"", height=2**31 - 1, width=2**31 - 1), "holds 0 bytes, not the 138350580"),
    (image(29, bytes(16), height=2**16, width=2**16), "holds 16 bytes, not the 68719476736"),
]


@pytest.mark.parametrize(("value", "reason"), BAD_IMAGES)
def test_a_bad_image_leaves_the_others_alone(value: dict[str, Any] | None, reason: str) -> None:
    good = image(16, bytes(range(12)))
    feed = Feed("data", 0, "image", (3, 2, 2), COLOUR)
    values, errors = found([good, value, good], IMAGE, feed)
    assert values == [planes(PIXELS), None, planes(PIXELS)]
    assert reason in (errors[1] or "")


@pytest.mark.parametrize("mode", [16, 24, 21])
def test_a_grey_net_sees_a_colour_struct_as_it_sees_a_file(mode: int) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (2, 2, 3), np.uint8)
    bgr = np.dstack([rgb[:, :, ::-1], np.full((2, 2), 7, np.uint8)])[:, :, : 4 if mode == 24 else 3]
    recipe = Recipe(1, resize=(2, 2))
    pixels = bgr.astype("<f4") if mode == 21 else bgr
    struct = [image(mode, pixels.tobytes())]
    ((values,), _) = found(struct, IMAGE, Feed("data", 0, "image", (1, 2, 2), recipe))
    feed = Feed("data", 0, "encoded", (1, 2, 2), recipe)
    ((expected,), _) = found([file_of(rgb, "BMP")], pa.binary(), feed)
    np.testing.assert_allclose(values, expected, rtol=0, atol=0.51 if mode == 21 else 0)


def test_the_recipes_limit_is_kept() -> None:
    feed = Feed("data", 0, "encoded", (3, 2, 2), Recipe(3, resize=(2, 2), max_pixels=3))
    assert "more than the limit of 3" in (found([png(1)], pa.binary(), feed)[1][0] or "")


TYPES: list[tuple[pa.DataType, str | None]] = [
    *((kind, "encoded") for kind in BINARIES),
    (IMAGE, "image"),
    (VECTOR, "vector"),
    (SHAPED, "shaped"),
    *((kind, "array") for kind in (pa.int8(), pa.float16(), pa.float64(), pa.decimal128(9, 1))),
    (pa.large_list(pa.list_(pa.list_(pa.uint8(), 2))), "array"),
    *((kind, None) for kind in (pa.string(), pa.bool_(), pa.timestamp("us"), pa.null())),
    (pa.list_(pa.string()), None),
    (pa.map_(pa.string(), pa.float32()), None),
    (pa.struct({**SIZES, "data": pa.string()}), None),
    (pa.struct({"shape": pa.list_(pa.int32())}), None),
    (pa.struct([*SHAPED, pa.field("data", pa.binary())]), None),
]


@pytest.mark.parametrize(("kind", "expected"), TYPES, ids=str)
def test_kinds_of_arrow_types(kind: pa.DataType, expected: str | None) -> None:
    assert kind_of(kind) == expected
    assert expected is None or expected in READERS


@pytest.mark.parametrize("kind", sorted(READERS))
def test_no_rows(kind: str) -> None:
    arrow = {**{name: arrow for name, (arrow, _) in GOOD.items()}, "image": IMAGE}
    feed = Feed("data", 0, kind, (3, 2, 2), COLOUR)
    rows = read(pa.array([], arrow.get(kind, pa.binary())), pickle.loads(pickle.dumps(feed)))
    assert (rows.values.shape, len(rows.good), rows.errors) == ((0, 3, 2, 2), 0, {})
