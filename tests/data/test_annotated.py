"""AnnotatedData: the label of boxes as SSD's layer lays it out."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bigdl_caffe.data import shapes
from bigdl_caffe.data.annotated import projected, warped
from bigdl_caffe.data.transform import View
from bigdl_caffe.errors import CaffeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from tests.data.databases import datum, picture, write
from tests.data.nets import layer, read
from tests.data.test_transform import write_mean
from tests.image.pictures import encode, gradient

Box = tuple[int, int, float, float, float, float, bool]
FIRST: list[Box] = [(5, 0, 0.1, 0.2, 0.5, 0.6, False), (5, 1, 0.25, 0.25, 1.2, 0.75, True)]
SECOND: list[Box] = [(2, 0, 0.5, 0.0, 1.0, 1.0, False)]


def annotated(image: pb.Datum, boxes: list[Box], typed: bool = True) -> pb.AnnotatedDatum:
    message = pb.AnnotatedDatum(datum=image)
    if typed:
        message.type = pb.AnnotatedDatum.BBOX
    for label, instance, xmin, ymin, xmax, ymax, difficult in boxes:
        groups = [g for g in message.annotation_group if g.group_label == label]
        group = groups[0] if groups else message.annotation_group.add(group_label=label)
        one = group.annotation.add(instance_id=instance)
        corners = {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}
        one.bbox.CopyFrom(pb.NormalizedBBox(difficult=difficult, **corners))
    return message


def raw(seed: int = 0) -> pb.Datum:
    return datum(picture(seed, 3, 10, 8), label=seed)


def db(root: Path, *messages: pb.AnnotatedDatum) -> None:
    write(root / "db", "LMDB", {b"%04d" % i: m.SerializeToString() for i, m in enumerate(messages)})


def options(batch_size: int = 2, rest: str = "") -> str:
    return f"data_param {{ source: 'db' backend: LMDB batch_size: {batch_size} }} {rest}"


def first(root: Path, text: str, **how: Any) -> dict[str, np.ndarray[Any, Any]]:
    return next(read("AnnotatedData", text, root=root, **how))


def test_a_label_has_a_row_a_box(tmp_path: Path) -> None:
    db(tmp_path, annotated(raw(0), FIRST), annotated(raw(1), SECOND), annotated(raw(2), []))
    found = list(islice(read("AnnotatedData", options(3), root=tmp_path), 2))
    for batch in found:
        assert batch["data"].shape == (3, 3, 10, 8)
        expected = [
            [0, 5, 0, 0.1, 0.2, 0.5, 0.6, 0],
            [0, 5, 1, 0.25, 0.25, 1, 0.75, 1],  # clipped to the picture
            [1, 2, 0, 0.5, 0, 1, 1, 0],
        ]
        np.testing.assert_allclose(batch["label"], [[expected]], rtol=1e-6)


def test_no_box_at_all_is_a_row_of_minus_one(tmp_path: Path) -> None:
    db(tmp_path, annotated(raw(), []), annotated(raw(), []))
    assert first(tmp_path, options())["label"].tolist() == [[[[-1] * 8]]]


def test_shapes_are_those_of_the_first_record(tmp_path: Path) -> None:
    db(tmp_path, annotated(raw(), FIRST), annotated(raw(), SECOND))
    resize = "transform_param { resize_param { height: 30 width: 20 } }"
    found = shapes(layer("AnnotatedData", options(rest=resize)), root=tmp_path)
    assert found == {"data": (2, 3, 30, 20), "label": (1, 1, 2, 8)}


def test_boxes_go_along_with_a_warp_and_a_mirror(tmp_path: Path) -> None:
    db(tmp_path, annotated(raw(), FIRST))
    resize = "transform_param { mirror: true resize_param { height: 30 width: 20 } }"
    plain, turned = [], []
    for batch in islice(read("AnnotatedData", options(1, resize), root=tmp_path, seed=0), 12):
        boxes = batch["label"][0, 0, :, 3:7]
        (plain if np.isclose(boxes[0, 0], 0.1) else turned).append((boxes, batch["data"][0]))
    assert plain
    assert turned
    boxes, image = plain[0]
    expected = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)
    np.testing.assert_allclose(turned[0][0], expected, atol=1e-6)
    np.testing.assert_array_equal(turned[0][1], image[:, :, ::-1])


def test_boxes_outside_of_a_crop_fall_away() -> None:
    corners = np.array([[0, 0, 0.2, 0.2], [0, 0, 0.5, 0.5], [0.3, 0.3, 0.6, 0.9]], np.float32)
    view = View(top=2, left=2, height=4, width=4, mirrored=False)
    kept, found = projected(corners, (3, 8, 8), view)
    assert kept.tolist() == [False, True, True]
    np.testing.assert_allclose(
        found[1:], [[0, 0, 0.5, 0.5], [0.1, 0.1, 0.7, 1.0]], rtol=1e-5, atol=1e-6
    )


def test_a_warp_leaves_boxes_in_the_picture() -> None:
    corners = np.array([[-0.1, 0.25, 0.5, 1.5]], np.float32)
    np.testing.assert_allclose(warped(corners, (3, 10, 8), (30, 20)), [[0, 0.25, 0.5, 1]])


def test_without_a_type_the_label_is_the_datums(tmp_path: Path) -> None:
    db(tmp_path, annotated(raw(3), [], typed=False), annotated(raw(4), [], typed=False))
    assert first(tmp_path, options())["label"].tolist() == [3, 4]
    assert set(shapes(layer("AnnotatedData", options()), root=tmp_path).values()) == {
        (2, 3, 10, 8),
        (2,),
    }


def test_a_batch_with_and_without_types_is_refused(tmp_path: Path) -> None:
    db(tmp_path, annotated(raw(), FIRST), annotated(raw(), [], typed=False))
    with pytest.raises(CaffeError, match=r"key '0001': .*annotations"):
        first(tmp_path, options())


def test_an_empty_sampler_packs_the_picture_again_as_ssd_does(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="is what packing is compared to")
    for i, channels in enumerate((3, 1)):
        pixels = gradient(channels=channels)
        image = Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])
        message = pb.Datum(data=encode(image), encoded=True)
        root = tmp_path / str(i)
        root.mkdir()
        db(root, annotated(message, FIRST))
        sampler = "annotated_data_param { batch_sampler { } label_map_file: 'x' }"
        found = first(root, options(1, sampler))["data"][0]
        whole = cv2.imdecode(np.frombuffer(message.data, np.uint8), -1)
        packed = cv2.imdecode(cv2.imencode(".jpg", whole)[1], -1)
        expected = np.moveaxis(np.atleast_3d(packed), 2, 0)
        # Another build of libjpeg may round a coefficient otherwise.
        assert np.abs(found - expected).max() <= 1
        assert np.abs(found - first(root, options(1))["data"][0]).max() > 1


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("annotated_data_param { batch_sampler { sampler { min_scale: 0.3 } } }", "batch_sampler"),
        (
            "annotated_data_param { batch_sampler { sample_constraint "
            "{ min_jaccard_overlap: 0.5 } } }",
            "batch_sampler with",
        ),
        ("annotated_data_param { yolo_data_type: 1 }", "yolo_data_type"),
        ("transform_param { expand_param { prob: 0.5 } }", "expand_param"),
    ],
)
def test_what_is_random_in_ssds_training_is_refused(tmp_path: Path, rest: str, words: str) -> None:
    db(tmp_path, annotated(raw(), FIRST))
    with pytest.raises(UnsupportedLayerError, match=words):
        first(tmp_path, options(rest=rest))


def test_other_annotations_and_a_mean_file_are_refused(tmp_path: Path) -> None:
    message = annotated(raw(), [])
    message.type = pb.AnnotatedDatum.LANE
    db(tmp_path, message)
    with pytest.raises(CaffeError, match="type LANE"):
        first(tmp_path, options())
    write_mean(tmp_path, np.zeros((3, 10, 8), np.float32))
    with pytest.raises(CaffeError, match="mean_file"):
        first(tmp_path, options(rest="transform_param { mean_file: 'mean.binaryproto' }"))


def test_a_database_of_plain_datums_is_named(tmp_path: Path) -> None:
    write(tmp_path / "db", "LMDB", {b"0": raw().SerializeToString()})
    with pytest.raises(CaffeError, match="made for this type of layer"):
        first(tmp_path, options())
