"""What Arrow columns may hold, and what makes a row bad, without Spark."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.spark.columns import Feed, read
from tests.spark.test_batches import score, table

VECTOR = pa.struct(
    {
        "type": pa.int8(),
        "size": pa.int32(),
        "indices": pa.list_(pa.int32()),
        "values": pa.list_(pa.float64()),
    }
)


def vector(values: list[float] | None, indices: list[int] | None = None) -> dict[str, Any] | None:
    if values is None:
        return None
    return {
        "type": 1 if indices is None else 0,
        "size": None if indices is None else 4,
        "indices": indices,
        "values": values,
    }


@pytest.mark.parametrize("sparse", [False, True])
def test_ml_vectors(sparse: bool) -> None:
    data = [vector([1, 2, 3, 4]), vector(None), vector([5], [2]) if sparse else vector([0] * 4)]
    out = score(table(data, VECTOR), feeds=(Feed("data", 1, "vector", (4,)),))
    assert out["twice"] == [[2, 4, 6, 8], None, [0, 0, 10, 0] if sparse else [0] * 4]
    assert out["error"] == [None, "data: is null, or holds a null", None]


BAD_VECTORS: list[tuple[dict[str, Any], str]] = [
    ({"type": 0, "size": 4, "indices": None, "values": [1.0]}, "is null, or holds a null"),
    ({"type": 0, "size": 4, "indices": [1], "values": None}, "is null, or holds a null"),
    ({"type": 0, "size": 4, "indices": [1, None], "values": [1.0, 2.0]}, "holds a null"),
    ({"type": 0, "size": 4, "indices": [4], "values": [1.0]}, "indices are not 1 below 4"),
    ({"type": 0, "size": 4, "indices": [-1], "values": [1.0]}, "indices are not 1 below 4"),
    ({"type": 0, "size": 4, "indices": [1, 2], "values": [1.0]}, "indices are not 1 below 4"),
    ({"type": 0, "size": None, "indices": [1], "values": [1.0]}, "has the shape None, not 4"),
    ({"type": 0, "size": 2**31 - 1, "indices": [], "values": []}, "has the shape 2147483647"),
    ({"type": 1, "size": None, "indices": None, "values": None}, "is null, or holds a null"),
]


@pytest.mark.parametrize(("value", "reason"), BAD_VECTORS)
def test_a_bad_vector_leaves_the_others_alone(value: dict[str, Any], reason: str) -> None:
    data = [vector([1, 2, 3, 4]), value, vector([5], [2])]
    rows = read(pa.array(data, VECTOR), Feed("data", 0, "vector", (4,)))
    assert rows.values.tolist() == [[1, 2, 3, 4], [0, 0, 5, 0]]
    assert rows.good.tolist() == [0, 2]
    assert reason in (rows.errors[1] or "")


def png(value: int) -> bytes:
    return file_of(np.full((2, 2, 3), value, np.uint8), "PNG")


def file_of(rgb: np.ndarray[Any, Any], kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, kind)
    return file.getvalue()


COLOUR = Recipe(3, resize=(2, 2))


def test_encoded_images() -> None:
    feed = Feed("data", 1, "encoded", (3, 2, 2), COLOUR)
    out = score(table([png(5), b"no picture", None, png(7)], pa.binary()), feeds=(feed,))
    assert out["twice"] == [[10] * 12, None, None, [14] * 12]
    assert [bool(error) for error in out["error"]] == [False, True, True, False]


SIZES = dict.fromkeys(["height", "width", "nChannels", "mode"], pa.int32())
IMAGE = pa.struct({"origin": pa.string(), **SIZES, "data": pa.binary()})


def image(mode: int | None, data: bytes | None, **other: int | None) -> dict[str, Any]:
    shape = {"height": 2, "width": 2, "nChannels": 3}
    return {"origin": "", **shape, "mode": mode, "data": data, **other}


def test_spark_image_structs() -> None:
    data = [
        image(16, bytes(range(12))),
        image(0, bytes([9] * 4)),
        image(24, bytes([1, 2, 3, 255] * 4)),
    ]
    out = score(table(data, IMAGE), feeds=(Feed("data", 1, "image", (3, 2, 2), COLOUR),))
    planes = np.arange(12).reshape(2, 2, 3).transpose(2, 0, 1)
    assert out["twice"][0] == (2 * planes).reshape(-1).tolist()
    assert out["twice"][1] == [18] * 12
    assert out["twice"][2] == [2] * 4 + [4] * 4 + [6] * 4


BAD_IMAGES: list[tuple[dict[str, Any] | None, str]] = [
    (None, "the value is null"),
    (image(16, None), "the value is null"),
    (image(-1, b""), "mode -1"),
    (image(None, b""), "mode None"),
    (image(16, b"short"), "holds 5 bytes"),
    (image(16, b"", height=None), "height None and width 2"),
    (image(16, bytes(3), height=-1, width=-1), "height -1 and width -1"),
    (image(16, b"", width=0), "height 2 and width 0"),
]


@pytest.mark.parametrize(("value", "reason"), BAD_IMAGES)
def test_a_bad_image_leaves_the_others_alone(value: dict[str, Any] | None, reason: str) -> None:
    good = image(16, bytes(range(12)))
    feed = Feed("data", 0, "image", (3, 2, 2), COLOUR)
    rows = read(pa.array([good, value, good], IMAGE), feed)
    assert rows.good.tolist() == [0, 2]
    assert reason in (rows.errors[1] or "")


@pytest.mark.parametrize("alpha", [False, True])
def test_a_grey_net_sees_a_colour_struct_as_it_sees_a_file(alpha: bool) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (2, 2, 3), np.uint8)
    bgr = np.dstack([rgb[:, :, ::-1], np.full((2, 2), 7, np.uint8)])[:, :, : 4 if alpha else 3]
    recipe = Recipe(1, resize=(2, 2))
    struct = pa.array([image(24 if alpha else 16, bgr.tobytes())], IMAGE)
    found = read(struct, Feed("data", 0, "image", (1, 2, 2), recipe))
    file = pa.array([file_of(rgb, "BMP")])
    expected = read(file, Feed("data", 0, "encoded", (1, 2, 2), recipe))
    assert found.errors == (None,)
    np.testing.assert_array_equal(found.values, expected.values)
