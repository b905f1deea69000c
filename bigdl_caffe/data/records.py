"""Sources that make a batch of one record after another: Data and ImageData."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from typing import ClassVar

import numpy as np

from bigdl_caffe.data import database
from bigdl_caffe.data.datum import Record, parse, pixels, planes
from bigdl_caffe.data.source import Array, Floats, Place, Source, at, positive
from bigdl_caffe.data.transform import Transform
from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.paths import PathLike, read_bytes
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.image.decode import decode
from bigdl_caffe.image.resize import resize
from bigdl_caffe.layers.registry import between


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
            datum = parse(pb.Datum, value)
            record = Record(pixels(datum, color), datum.label, where)
        yield record


class RecordSource(Source):
    """A source whose batches are records, transformed one by one and stacked."""

    batch_size: int

    def __init__(self, layer: LayerDef, phase: str, place: Place) -> None:
        super().__init__(layer, phase, place)
        self.transform = Transform(layer.param.transform_param, phase, place)

    @abstractmethod
    def records(self, rng: np.random.Generator) -> Iterator[Record]:
        """Yield records without end."""

    def shapes(self) -> list[Shape]:
        """Return the shapes that the first record makes."""
        first = next(self.records(np.random.default_rng(0)))
        data = (self.batch_size, *self.transform.shape(first.image.shape))
        return [data, (self.batch_size,)][: len(self.layer.tops)]

    def batches(self, rng: np.random.Generator) -> Iterator[list[Floats]]:
        """Yield pictures and, where there is a second top, labels."""
        source = self.records(rng)
        while True:
            batch = list(islice(source, self.batch_size))
            images = self.images(batch, rng)
            labels = np.array([record.label for record in batch], np.float32)
            yield [images, labels][: len(self.layer.tops)]

    def images(self, batch: Sequence[Record], rng: np.random.Generator) -> Floats:
        """Return the pictures of ``batch``, transformed: (n, channels, height, width)."""
        out: list[Array] = []
        for record in batch:
            with at(record.where):
                out.append(self.transform(record.image, rng))
                check_like(out[-1], out[0])
        return np.stack(out)


def check_like(image: Array, first: Array) -> None:
    """Raise unless ``image`` has the shape of its batch's first."""
    if image.shape != first.shape:
        raise ShapeError(
            f"it becomes {image.shape} (channels, height, width) and the first of its batch "
            f"{first.shape}: crop or resize all to one size, or set batch_size: 1"
        )


class Data(RecordSource):
    """A database of Datum messages (data_layer.cpp); a missing label is 0, as in Caffe.

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

    def records(self, rng: np.random.Generator) -> Iterator[Record]:
        """Yield the database's records, from the first again after the last."""
        while True:
            record = None
            for record in records(self.path, self.backend, color=self.color):
                yield record
            if record is None:
                raise CaffeError(f"{self.path}: the database is empty")


class ImageData(RecordSource):
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

    def records(self, rng: np.random.Generator) -> Iterator[Record]:
        """Yield the pictures as listed, or in a new order each time through the list."""
        skip = int(rng.integers(self.param.rand_skip)) if self.param.rand_skip else 0
        if skip >= len(self.lines):
            raise CaffeError(f"{self.source}: rand_skip goes beyond its {len(self.lines)} lines")
        for epoch in count():
            order = np.arange(len(self.lines))
            if self.param.shuffle:
                rng.shuffle(order)
            for i in order[0 if epoch else skip :]:
                yield self._record(*self.lines[i])

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
