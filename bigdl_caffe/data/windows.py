"""WindowData: windows of pictures, warped to one size, as R-CNN trains on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import count
from typing import ClassVar, NamedTuple

import numpy as np

from bigdl_caffe.data.part import Part
from bigdl_caffe.data.source import Array, Floats, Place, Source, at, positive
from bigdl_caffe.data.transform import Transform
from bigdl_caffe.data.window_file import Windows, read_window_file
from bigdl_caffe.errors import CaffeError, ShapeError, UnsupportedLayerError
from bigdl_caffe.format.paths import read_bytes
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.image.decode import decode
from bigdl_caffe.image.resize import resize


class Fit(NamedTuple):
    """Which part of a picture is warped, to what size, and where in the crop that is put."""

    x1: int
    y1: int
    x2: int
    y2: int
    height: int
    width: int
    top: int
    left: int


class WindowData(Source):
    """Background windows, then foreground windows, drawn with replacement (window_data_layer.cpp).

    As in Caffe the scale is window_data_param's, not transform_param's, the mean file is
    larger than the crop and its centre is subtracted, and what lies outside a picture is 0.
    ``cache_images`` is without effect, as are the older fields for mean, crop and mirror.
    """

    options: ClassVar[Mapping[str, str]] = {
        "window_data_param": (
            "source batch_size scale fg_threshold bg_threshold fg_fraction context_pad crop_mode "
            "root_folder cache_images mean_file crop_size mirror"
        )
    }

    def __init__(self, layer: LayerDef, phase: str, place: Place) -> None:
        super().__init__(layer, phase, place)
        self.param = layer.param.window_data_param
        self.batch_size = positive(self.param.batch_size, "batch_size")
        self.crop = positive(layer.param.transform_param.crop_size, "transform_param's crop_size")
        self.transform = Transform(layer.param.transform_param, phase, place)
        if self.transform.warp:
            raise UnsupportedLayerError("resize_param has no meaning for windows: leave it out")
        if self.crop <= 2 * self.param.context_pad:
            raise ShapeError(
                f"context_pad {self.param.context_pad} leaves nothing of crop_size {self.crop}"
            )
        if not 0 <= self.param.fg_fraction <= 1:
            raise CaffeError(f"fg_fraction is {self.param.fg_fraction:g}: give 0 to 1")
        self.file = read_window_file(
            place.path(self.param.source), self.param.fg_threshold, self.param.bg_threshold
        )
        if self.file.channels != 3:
            raise ShapeError(
                f"pictures are read in colour and {self.param.source} says that they have "
                f"{self.file.channels} channels: write 3"
            )
        self.mean = self._mean()

    def shapes(self) -> list[Shape]:
        """Return (n, 3, crop_size, crop_size) and (n,)."""
        return [(self.batch_size, 3, self.crop, self.crop), (self.batch_size,)]

    def batches(self, part: Part) -> Iterator[list[Floats]]:
        """Yield windows and their labels."""
        # As Caffe, the number of foreground windows is cut off in single precision.
        objects = int(np.float32(self.batch_size) * np.float32(self.param.fg_fraction))
        for number in count(part.start):
            rng = part.rng(number)
            drawn = np.concatenate(
                [
                    _draw(self.file.background, self.batch_size - objects, rng),
                    _draw(self.file.foreground, objects, rng),
                ]
            )
            rows = part.rows(self.batch_size)
            images = [self._window(drawn[row], part.rng(number, row)) for row in rows]
            yield [np.stack(images), drawn[rows, 1].astype(np.float32)]

    def _mean(self) -> Floats:
        """Return the mean of a crop: (3 or 1, crop_size or 1, crop_size or 1)."""
        mean = self.transform.mean
        if mean is None:
            return np.zeros((1, 1, 1), np.float32)
        if not self.transform.mean_is_picture:
            return mean
        offset = (mean.shape[2] - self.crop) // 2
        inside = slice(offset, offset + self.crop)
        if offset < 0 or mean.shape[0] != 3 or mean.shape[1] < inside.stop:
            raise ShapeError(f"the mean file is {mean.shape}, too small for crop_size {self.crop}")
        return mean[:, inside, inside]

    def _window(self, row: Windows, rng: np.random.Generator) -> Floats:
        mirrored = bool(self.transform.mirror and rng.integers(2))
        file = self.place.path(self.param.root_folder + self.file.images[row[0]])
        with at(file):
            image = decode(read_bytes(file), 3)
            x1, y1, x2, y2 = (int(n) for n in row[2:])
            square, pad = self.param.crop_mode == "square", self.param.context_pad
            place = fit((x1, y1, x2, y2), image.shape[:2], self.crop, pad, square, mirrored)
        part = image[place.y1 : place.y2 + 1, place.x1 : place.x2 + 1]
        return self._placed(resize(part, (place.height, place.width)), place, mirrored)

    def _placed(self, part: Array, place: Fit, mirrored: bool) -> Floats:
        """Return the crop with the warped ``part`` in its place, zeros around it."""
        out = np.zeros((3, self.crop, self.crop), np.float32)
        rows = slice(place.top, place.top + place.height)
        columns = slice(place.left, place.left + place.width)
        planes = (part[:, ::-1] if mirrored else part).transpose(2, 0, 1).astype(np.float32)
        mean = np.broadcast_to(self.mean, out.shape)[:, rows, columns]
        out[:, rows, columns] = (planes - mean) * np.float32(self.param.scale)
        return out


def _draw(windows: Windows, n: int, rng: np.random.Generator) -> Windows:
    return windows[rng.integers(len(windows), size=n)]


def fit(
    box: tuple[int, int, int, int],
    image: Shape,
    crop: int,
    context_pad: int,
    square: bool,
    mirrored: bool,
) -> Fit:
    """Return how the window ``box`` (x1, y1, x2, y2) of an ``image`` (height, width) is cut out.

    With ``context_pad`` it is widened, so that this many pixels of its surroundings are on
    each side of the crop; where ``square``, it is widened to a square before.

    Raises
    ------
    CaffeError
        For a window outside the picture.
    """
    x1, y1, x2, y2 = box
    if not (context_pad or square):
        return _checked(Fit(x1, y1, x2, y2, crop, crop, 0, 0), box, image)
    scale = np.float32(crop) / np.float32(crop - 2 * context_pad)
    half = [np.float32((y2 - y1 + 1) / 2), np.float32((x2 - x1 + 1) / 2)]
    middle = [np.float32(first) + size for first, size in zip((y1, x1), half, strict=True)]
    if square:
        half = [max(half)] * 2
    vertical, horizontal = (
        _axis(_round(m - h * scale), _round(m + h * scale), limit, crop)
        for m, h, limit in zip(middle, half, image, strict=True)
    )
    top = vertical.before
    left = horizontal.after if mirrored else horizontal.before
    return _checked(
        Fit(
            horizontal.first,
            vertical.first,
            horizontal.last,
            vertical.last,
            min(vertical.size, crop - top),
            min(horizontal.size, crop - left),
            top,
            left,
        ),
        box,
        image,
    )


class _Axis(NamedTuple):
    first: int
    last: int
    size: int
    before: int
    after: int


def _axis(first: int, last: int, limit: int, crop: int) -> _Axis:
    """Clip ``first``..``last`` to a picture, and scale the clipped part and what was cut off."""
    before, after = max(0, -first), max(0, last - limit + 1)
    scale = np.float32(crop) / np.float32(last - first + 1)
    first, last = first + before, last - after
    size, before, after = (_round(np.float32(n) * scale) for n in (last - first + 1, before, after))
    return _Axis(first, last, size, before, after)


def _checked(place: Fit, box: tuple[int, int, int, int], image: Shape) -> Fit:
    inside = 0 <= place.x1 <= place.x2 < image[1] and 0 <= place.y1 <= place.y2 < image[0]
    if not inside or min(place.height, place.width) < 1:
        raise CaffeError(
            f"the window {box} (x1, y1, x2, y2) does not lie in the picture of {image[0]}x"
            f"{image[1]} (height x width): correct the window file"
        )
    return place


def _round(value: np.float32) -> int:
    """Round halves away from zero, as C does."""
    return int(math.copysign(math.floor(abs(float(value)) + 0.5), value))
