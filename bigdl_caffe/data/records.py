"""Sources that make a batch of one record after another: Data and ImageData."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, islice
from typing import ClassVar, Generic, TypeVar

import numpy as np

from bigdl_caffe.data import database
from bigdl_caffe.data.datum import Record, parse, pixels, planes
from bigdl_caffe.data.part import Part
from bigdl_caffe.data.source import Array, Floats, Place, Source, at, positive
from bigdl_caffe.data.transform import Transform
from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.paths import PathLike, read_bytes
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.image.decode import decode
from bigdl_caffe.image.resize import resize
from bigdl_caffe.layers.registry import between

R = TypeVar("R", bound=Record)


def records(
    path: PathLike,
    backend: str | None = None,
    start: bytes = b"",
    stop: bytes | None = None,
    color: bool | None = None,
) -> Iterator[Record]:
    """Yield the records of a database of Datum messages, once and in the order of keys.

    Parameters
    ----------
    path, backend, start, stop
        As of `database.items`.
    color : bool, optional
        As of `datum.pixels`.

    Raises
    ------
    CaffeError
        For a damaged database or record, naming the key.
    """
    for key, value in database.items(path, backend, start, stop):
        where = f"{path}, key {key.decode('latin-1')!r}"
        with at(where):
            record = _record(value, where, color)
        yield record


def _record(value: bytes, where: str, color: bool | None) -> Record:
    datum = parse(pb.Datum, value)
    return Record(pixels(datum, color), datum.label, where)


class RecordSource(Source, Generic[R]):
    """A source whose batches are records, transformed one by one and stacked."""

    batch_size: int

    def __init__(self, layer: LayerDef, phase: str, place: Place) -> None:
        super().__init__(layer, phase, place)
        self.transform = Transform(layer.param.transform_param, phase, place)

    @abstractmethod
    def records(self, part: Part) -> Iterator[Callable[[], R]]:
        """Yield what makes a record, for one after another from the first pass of ``part`` on."""

    def shapes(self) -> list[Shape]:
        """Return the shapes that the first record makes."""
        first = next(self.records(Part()))()
        data = (self.batch_size, *self.transform.shape(first.image.shape))
        return [data, (self.batch_size,)][: len(self.layer.tops)]

    def batches(self, part: Part) -> Iterator[list[Floats]]:
        """Yield pictures and, where there is a second top, labels."""
        source = self.records(part)
        rows = part.rows(self.batch_size)
        for number in count(part.start):
            made = list(islice(source, self.batch_size))
            batch = [(made[row](), part.rng(number, row)) for row in rows]
            yield self.stacked(batch)[: len(self.layer.tops)]

    def stacked(self, batch: Sequence[tuple[R, np.random.Generator]]) -> list[Floats]:
        """Return the pictures, (n, channels, height, width), and labels of records."""
        images: list[Array] = []
        for record, rng in batch:
            with at(record.where):
                images.append(self.transform(record.image, rng))
                check_like(images[-1], images[0])
        return [np.stack(images), np.array([record.label for record, _ in batch], np.float32)]


def check_like(image: Array, first: Array) -> None:
    """Raise unless ``image`` has the shape of its batch's first."""
    if image.shape != first.shape:
        raise ShapeError(
            f"it becomes {image.shape} (channels, height, width) and the first of its batch "
            f"{first.shape}: crop or resize all to one size, or set batch_size: 1"
        )


class Database(RecordSource[R]):
    """A database of records, as data_param says.

    As in Caffe, ``rand_skip`` and the older fields for mean, crop and mirror in data_param
    are without effect.
    """

    tops = between(1, 2)
    options: ClassVar[Mapping[str, str]] = {
        "data_param": (
            "source batch_size backend rand_skip scale mean_file crop_size mirror prefetch "
            "force_encoded_color cache disk_reader_threads parser_threads precache threads "
            "verbose"
        )
    }

    def __init__(self, layer: LayerDef, phase: str, place: Place) -> None:
        super().__init__(layer, phase, place)
        param, transform = layer.param.data_param, layer.param.transform_param
        self.batch_size = positive(param.batch_size, "batch_size")
        self.path = place.path(param.source)
        self.backend = pb.DataParameter.DB.Name(param.backend)
        if transform.force_color and transform.force_gray:
            raise CaffeError("force_color and force_gray are both set: keep one of them")
        forced = transform.force_color or transform.force_gray
        self.color = bool(transform.force_color) if forced else None

    def records(self, part: Part) -> Iterator[Callable[[], R]]:
        """Yield the database's records, from the first again after the last."""
        first = part.start * self.batch_size
        start = database.key_at(self.path, first, self.backend) if first else b""
        while True:
            key = None
            for key, value in database.items(self.path, self.backend, start):
                yield partial(self.record, key, value)
            if key is None:
                raise CaffeError(f"{self.path}: the database is empty")
            start = b""

    @abstractmethod
    def record(self, key: bytes, value: bytes) -> R:
        """Return the record that is stored at ``key``."""


class Data(Database[Record]):
    """A database of Datum messages (data_layer.cpp); a missing label is 0, as in Caffe."""

    def record(self, key: bytes, value: bytes) -> Record:
        """Return the record that is stored at ``key``."""
        where = f"{self.path}, key {key.decode('latin-1')!r}"
        with at(where):
            return _record(value, where, self.color)


class ImageData(RecordSource[Record]):
    """Picture files and labels by a list, one of each a line (image_data_layer.cpp).

    As in Caffe, the older fields for mean, crop and mirror in image_data_param are without
    effect.
    """

    options: ClassVar[Mapping[str, str]] = {
        "image_data_param": (
            "source batch_size rand_skip shuffle new_height new_width is_color root_folder scale "
            "mean_file crop_size mirror cache precache threads"
        )
    }

    def __init__(self, layer: LayerDef, phase: str, place: Place) -> None:
        super().__init__(layer, phase, place)
        self.param = layer.param.image_data_param
        self.batch_size = positive(self.param.batch_size, "batch_size")
        self.size = (self.param.new_height, self.param.new_width)
        if any(self.size) and not all(self.size):
            raise CaffeError("new_height and new_width have to be given together")
        self.source = place.path(self.param.source)
        self.lines = list(_lines(self.source))
        if not self.lines:
            raise CaffeError(f"{self.source}: the list of pictures is empty")

    def records(self, part: Part) -> Iterator[Callable[[], Record]]:
        """Yield the pictures as listed, or in a new order each time through the list."""
        lines = len(self.lines)
        skip = int(part.rng().integers(self.param.rand_skip)) if self.param.rand_skip else 0
        if skip >= lines:
            raise CaffeError(f"{self.source}: rand_skip goes beyond its {lines} lines")
        first, place = divmod(skip + part.start * self.batch_size, lines)
        for epoch in count(first):
            order = part.rng(epoch).permutation(lines) if self.param.shuffle else np.arange(lines)
            for i in order[place:]:
                yield partial(self._record, *self.lines[i])
            place = 0

    def _record(self, where: str, name: str, label: int) -> Record:
        with at(where):
            file = self.place.path(self.param.root_folder + name)
            image = decode(read_bytes(file), 3 if self.param.is_color else 1)
            image = resize(image, self.size) if all(self.size) else image
        return Record(planes(image), label, where)


def _lines(source: str) -> Iterator[tuple[str, str, int]]:
    """Yield for each line where it is, the picture's name and its label."""
    lines = read_bytes(source).split(b"\n")
    for number, line in enumerate(lines if lines[-1] else lines[:-1], 1):
        where = f"{source}, line {number}"
        yield where, *listed(line, where)


def listed(line: bytes, where: str) -> tuple[str, int]:
    """Return the name and the label that a line of a list of pictures has.

    Raises
    ------
    CaffeError
        It has none, and is at ``where``.
    """
    text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
    name, space, label = text.rpartition(" ")
    try:
        return name, int(np.int32(int(label)))
    except (ValueError, OverflowError):
        found = f"the label {label!r}" if space else "no label"
        raise CaffeError(
            f"{where}: a line is a file's name, a space and a whole number of 32 bits; this "
            f"one has {found}: {text!r}"
        ) from None
