"""AnnotatedData of SSD: pictures with boxes, as its nets are tested on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import ClassVar

import numpy as np

from bigdl_caffe.data.datum import Record, parse, pixels, planes
from bigdl_caffe.data.part import Part
from bigdl_caffe.data.records import Database, check_like
from bigdl_caffe.data.source import Array, Floats, Place, at
from bigdl_caffe.data.transform import View
from bigdl_caffe.errors import CaffeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.image.decode import decode

_NOTHING = np.full((1, 1, 1, 8), -1, np.float32)


@dataclass(frozen=True)
class AnnotatedRecord(Record):
    """A picture and its boxes.

    Attributes
    ----------
    boxes : ndarray or None
        (n, 7): group label, instance, xmin, ymin, xmax, ymax in 0 to 1, and whether it is a
        difficult one; None for a picture with a label only.
    """

    boxes: Floats | None


class AnnotatedData(Database[AnnotatedRecord]):
    """A database of AnnotatedDatum messages (annotated_data_layer.cpp of weiliu89/caffe, ssd).

    The label has a row a box, (1, 1, boxes, 8): place in the batch, label, instance, xmin,
    ymin, xmax, ymax, difficult; or one row of -1. A batch_sampler that samples the whole
    picture is computed, with the loss of packing it as JPEG once more that it has in SSD.
    """

    options: ClassVar[Mapping[str, str]] = {
        **Database.options,
        "annotated_data_param": "anno_type batch_sampler label_map_file",
    }

    def __init__(self, layer: LayerDef, phase: str, place: Place) -> None:
        super().__init__(layer, phase, place)
        self.param = layer.param.annotated_data_param
        if not all(_is_whole(sampler) for sampler in self.param.batch_sampler):
            raise UnsupportedLayerError(
                "a batch_sampler with a sampler or a constraint is not computed here: take it "
                "out, or make the samples beforehand"
            )
        if layer.param.transform_param.HasField("mean_file"):
            raise UnsupportedLayerError("SSD subtracts a mean_file otherwise: give mean_value")
        self.repack = any(s.use_original_image and s.max_trials for s in self.param.batch_sampler)

    def shapes(self) -> list[Shape]:
        """Return the shapes that the first record makes."""
        first = next(self.records(Part()))()
        data, *labels = super().shapes()
        if first.boxes is not None:
            labels = [(1, 1, max(len(first.boxes), 1), 8)]
        return [data, *labels][: len(self.layer.tops)]

    def stacked(self, batch: Sequence[tuple[AnnotatedRecord, np.random.Generator]]) -> list[Floats]:
        """Return the pictures of records, and their boxes or labels."""
        images: list[Array] = []
        rows: list[Floats] = []
        first, _ = batch[0]
        for item, (record, rng) in enumerate(batch):
            with at(record.where):
                image = self.transform.resize(record.image)
                view = self.transform.view(image.shape, rng)
                images.append(self.transform.cut(image, view))
                check_like(images[-1], images[0])
                rows.append(self._rows(item, record, first, image.shape, view))
        labels = np.concatenate(rows)
        if first.boxes is not None:
            labels = labels[None, None] if len(labels) else _NOTHING
        return [np.stack(images), labels]

    def record(self, key: bytes, value: bytes) -> AnnotatedRecord:
        """Return the record that is stored at ``key``."""
        where = f"{self.path}, key {key.decode('latin-1')!r}"
        with at(where):
            return self._record(parse(pb.AnnotatedDatum, value), where)

    def _record(self, datum: pb.AnnotatedDatum, where: str) -> AnnotatedRecord:
        if not datum.HasField("datum"):
            raise CaffeError(
                "it is no AnnotatedDatum, as it has no Datum in it: check that the database was "
                "made for this type of layer"
            )
        image = pixels(datum.datum, self.color)
        if self.repack and datum.datum.encoded:
            image = _repacked(image)
        boxes = None
        if datum.HasField("type") or self.param.HasField("anno_type"):
            kind = self.param.anno_type if self.param.HasField("anno_type") else datum.type
            if kind != pb.AnnotatedDatum.BBOX:
                name = pb.AnnotatedDatum.AnnotationType.Name(kind)
                raise UnsupportedLayerError(f"annotations of type {name} are not read, BBOX are")
            boxes = np.array([*_boxes(datum)], np.float32).reshape(-1, 7)
        return AnnotatedRecord(image, datum.datum.label, where, boxes)

    def _rows(
        self, item: int, record: AnnotatedRecord, first: AnnotatedRecord, size: Shape, view: View
    ) -> Floats:
        """Return the label's rows of one picture, whose resized shape is ``size``."""
        if (record.boxes is None) != (first.boxes is None):
            raise CaffeError("it has annotations and others of its batch have not, or they it not")
        if record.boxes is None:
            return np.array([record.label], np.float32)
        boxes = record.boxes.copy()
        if self.transform.warp:
            boxes[:, 2:6] = warped(boxes[:, 2:6], record.image.shape, self.transform.warp)
        kept, boxes[:, 2:6] = projected(boxes[:, 2:6], size, view)
        return np.insert(boxes[kept], 0, item, axis=1)


def _is_whole(sampler: pb.BatchSampler) -> bool:
    """Return whether all samples are the whole picture, whatever chance says."""
    sizes = ("min_scale", "max_scale", "min_aspect_ratio", "max_aspect_ratio")
    constrained = any(True for _ in sampler.sample_constraint.ListFields())
    return not constrained and all(getattr(sampler.sampler, size) == 1 for size in sizes)


def _boxes(datum: pb.AnnotatedDatum) -> Iterator[list[float]]:
    for group in datum.annotation_group:
        for one in group.annotation:
            box = one.bbox
            corners = [box.xmin, box.ymin, box.xmax, box.ymax]
            yield [group.group_label, one.instance_id, *corners, box.difficult]


def _repacked(image: Array) -> Array:
    """Return ``image`` as it comes out of OpenCV's JPEG: CropImage packs what it has cut out."""
    from PIL import Image

    rgb = image[0] if len(image) == 1 else np.moveaxis(image[::-1], 0, 2)
    packed = BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(packed, "JPEG", quality=95)
    return planes(decode(packed.getvalue(), len(image)))


def warped(corners: Floats, image: Shape, size: tuple[int, int]) -> Floats:
    """Return xmin, ymin, xmax, ymax after a warp to ``size`` (UpdateBBoxByResizePolicy)."""
    old = np.array([image[2], image[1]] * 2, np.float32)
    new = np.array([size[1], size[0]] * 2, np.float32)
    moved = corners * old * new / old
    moved[:, :2] = np.maximum(moved[:, :2], 0)
    moved[:, 2:] = np.minimum(moved[:, 2:], new[2:])
    return moved / new


def projected(corners: Floats, image: Shape, view: View) -> tuple[Array, Floats]:
    """Return which boxes lie in ``view`` of an ``image``, and all of them there (ProjectBBox)."""
    whole = np.array([image[2], image[1]], np.float32)
    near = np.array([view.left, view.top], np.float32) / whole
    far = np.array([view.left + view.width, view.top + view.height], np.float32) / whole
    touches = ((corners[:, :2] < far) & (corners[:, 2:] > near)).all(1)
    inside = (corners - np.tile(near, 2)) / np.tile(far - near, 2)
    inside = inside.clip(0, 1)
    size = inside[:, 2:] - inside[:, :2]
    if view.mirrored:
        inside[:, [0, 2]] = 1 - inside[:, [2, 0]]
    return touches & (size >= 0).all(1) & (size.prod(1) > 0), inside
