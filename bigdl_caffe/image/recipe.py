"""What is done to a picture before a net sees it: one immutable value, printable, portable."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.image.decode import MAX_PIXELS

Floats = NDArray[np.float32]
Size = tuple[int, int]
Mean = tuple[float, ...] | Floats

_ORDERS = ("BGR", "RGB")


@dataclass(frozen=True, eq=False)
class Recipe:
    """The steps from a picture to the (channels, height, width) floats of a net's input.

    They are, in order: decode, resize, cut the centre out, reorder channels, subtract
    the mean, multiply by the scale; the last two as Caffe's data_transformer.cpp in
    TEST phase: ``(pixel - mean) * scale``. ``print(recipe)`` says them in words.

    pycaffe's ``Transformer`` reads pixels in 0..1 and multiplies them by ``raw_scale``;
    with the usual 255 that is nothing but the pixels here, and its ``input_scale`` is
    ``scale``. For another ``raw_scale`` r give ``mean * 255 / r`` and ``scale * r / 255``.

    Parameters
    ----------
    channels : int
        3, or 1 for grey.
    resize : (int, int), optional
        Height and width that every picture is brought to. Without it the picture keeps
        its size, which the crop must fit in.
    crop : (int, int), optional
        Height and width of the centre that is kept. Needed where ``resize`` is None.
    mean : tuple of float or float32 array, optional
        One value for all channels, one a channel, or an array (channels, height, width)
        of the resized picture's size (as Caffe's mean files) or of the crop's (as
        pycaffe's). In the order of the net's channels, that is, after ``channel_order``.
    scale : float
        Factor after the mean is subtracted.
    channel_order : str
        "BGR", as Caffe's own tools give, or "RGB".
    orient : bool
        Turn pictures upright by their EXIF orientation.
    max_pixels : int
        Largest height × width of a file that is decoded; one whose header says more is an
        error before any memory is taken for it. Decoding takes some 10 bytes a pixel, of a
        WebP 19.

    Raises
    ------
    ShapeError
        When sizes, mean and channels do not fit together.
    """

    channels: int = 3
    resize: Size | None = None
    crop: Size | None = None
    mean: Sequence[float] | Floats | None = None
    scale: float = 1.0
    channel_order: str = "BGR"
    orient: bool = True
    max_pixels: int = MAX_PIXELS
    subtrahend: Floats | None = field(init=False, repr=False, default=None)
    """The mean as it is subtracted: (channels or 1, height or 1, width or 1)."""

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ShapeError(f"a picture has 1 or 3 channels, the recipe asks for {self.channels}")
        if self.channel_order not in _ORDERS:
            raise ShapeError(f"channel_order is {self.channel_order!r}: use 'BGR' or 'RGB'")
        if not math.isfinite(self.scale):
            raise ShapeError(f"scale is {self.scale}: use a finite number")
        if type(self.max_pixels) is not int or self.max_pixels < 1:
            raise ShapeError(f"max_pixels is {self.max_pixels!r}: use a whole number above 0")
        self._set("resize", _size("resize", self.resize))
        self._set("crop", _size("crop", self.crop))
        self._check_sizes()
        self._set("mean", _mean(self.mean))
        self._set("subtrahend", self._subtrahend())

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_sizes(self) -> None:
        if self.resize is None and self.crop is None:
            raise ShapeError("the recipe fixes no size: give resize=(height, width), or crop")
        if self.resize and self.crop and not _covers(self.resize, self.crop):
            raise ShapeError(
                f"the crop {_by(self.crop)} does not fit in the resized picture "
                f"{_by(self.resize)}: resize to at least the crop's size"
            )

    def _subtrahend(self) -> Floats | None:
        if self.mean is None:
            return None
        if not isinstance(self.mean, np.ndarray):
            if len(self.mean) not in (1, self.channels):
                raise ShapeError(
                    f"there are {len(self.mean)} mean values for {self.channels} channels: "
                    "give one, or one a channel"
                )
            return np.array(self.mean, np.float32).reshape(-1, 1, 1)
        channels, *size = self.mean.shape
        if channels == self.channels and tuple(size) == self.shape[1:]:
            return self.mean
        if channels == self.channels and tuple(size) == self.resize:
            return np.ascontiguousarray(centre(self.mean, self.shape[1:], first_axis=1))
        fits = " or ".join(_by(s) for s in dict.fromkeys((self.resize, self.shape[1:])) if s)
        raise ShapeError(
            f"the mean is {channels} channels of {_by((size[0], size[1]))}, the recipe needs "
            f"{self.channels} of {fits}: resize pictures to the mean's size, or give mean values"
        )

    def subtrahend_at(self, place: tuple[slice, slice]) -> Floats | None:
        """Return the mean to subtract from a crop of those rows and columns."""
        mean = self.mean
        if isinstance(mean, np.ndarray) and mean.shape[1:] != self.shape[1:]:
            return mean[:, place[0], place[1]]
        return self.subtrahend

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of what the recipe makes."""
        size = self.crop or self.resize
        assert size is not None  # __post_init__ has seen to it
        return (self.channels, *size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __str__(self) -> str:
        return self.describe()

    def describe(self) -> str:
        """Return the steps in plain words, numbered, one a line."""
        steps = [self._say_decode(), self._say_resize(), self._say_crop()]
        if self.channels == 3 and self.channel_order == "RGB":
            steps.append("reorder the channels from BGR to RGB")
        steps += [self._say_mean(), "" if self.scale == 1 else f"multiply by {self.scale:g}"]
        steps.append(
            "give floats of shape (channels, height, width) = {}, {}, {}".format(*self.shape)
        )
        return "\n".join(f"{i}. {step}" for i, step in enumerate(filter(None, steps), 1))

    def _say_decode(self) -> str:
        kind = "3 channels in the order BGR" if self.channels == 3 else "1 grey channel"
        turned = "turned upright by EXIF" if self.orient else "EXIF orientation ignored"
        most = "" if self.max_pixels == MAX_PIXELS else f", at most {self.max_pixels} pixels"
        return f"decode to {kind}, 0 to 255, {turned}{most}"

    def _say_resize(self) -> str:
        if self.resize is None:
            return "keep the picture's size"
        return f"resize to {_by(self.resize)} (height x width; bilinear, aspect ratio not kept)"

    def _say_crop(self) -> str:
        if self.crop is None or self.crop == self.resize:
            return ""
        return f"keep the centre {_by(self.crop)}"

    def _say_mean(self) -> str:
        if self.mean is None:
            return ""
        if not isinstance(self.mean, np.ndarray):
            if len(self.mean) == 1:
                return f"subtract {self.mean[0]:g}"
            named = zip(self.channel_order, self.mean, strict=True)
            return "subtract " + ", ".join(f"{name} {value:g}" for name, value in named)
        place = "" if self.mean is self.subtrahend else ", at the place of the centre"
        return f"subtract the mean picture of {_by(self.mean.shape[1:])}{place}"

    def to_json(self) -> str:
        """Return the recipe as JSON text, from which `from_json` makes an equal one."""
        mean: Any = self.mean
        if isinstance(mean, np.ndarray):
            text = base64.b64encode(mean.astype("<f4").tobytes()).decode()
            mean = {"shape": mean.shape, "float32": text}
        fields = ("channels", "resize", "crop", "scale", "channel_order", "orient", "max_pixels")
        return json.dumps({**{name: getattr(self, name) for name in fields}, "mean": mean})

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Return the recipe that `to_json` wrote; raise `CaffeError` for other text."""
        try:
            fields = json.loads(text)
            if isinstance(mean := fields.get("mean"), dict):
                flat = np.frombuffer(base64.b64decode(mean["float32"], validate=True), "<f4")
                fields["mean"] = flat.reshape(mean["shape"])
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CaffeError(
                f"not a recipe's JSON: {type(error).__name__}: {error}; "
                "give text that Recipe.to_json wrote"
            ) from error


def centre(image: NDArray[Any], size: Sequence[int], first_axis: int = 0) -> NDArray[Any]:
    """Return the centre of ``image``, a view, where Caffe's TEST phase crops: (n - crop) // 2."""
    height, width = image.shape[first_axis : first_axis + 2]
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    place = (slice(top, top + size[0]), slice(left, left + size[1]))
    return image[(slice(None),) * first_axis + place]


def _size(name: str, value: Sequence[int] | None) -> Size | None:
    if value is None:
        return None
    if len(value) != 2 or any(int(n) != n or n < 1 for n in value):
        raise ShapeError(f"{name} is {value}: give (height, width), both at least 1")
    return int(value[0]), int(value[1])


def _mean(value: Sequence[float] | Floats | None) -> Mean | None:
    """Return the mean in one of its two forms; none and no values are the same."""
    if value is None or not len(value):
        return None
    array = np.array(value, np.float32)
    if array.ndim == 3 and array.shape[1:] == (1, 1):
        array = array.reshape(-1)
    if not np.isfinite(array).all():
        raise ShapeError("the mean has values that are not finite numbers")
    if array.ndim == 1:
        return tuple(array.tolist())
    if array.ndim != 3:
        raise ShapeError(
            f"the mean has shape {array.shape}: give one value a channel, or an array "
            "(channels, height, width)"
        )
    array.flags.writeable = False
    return array


def _covers(outer: Size, inner: Size) -> bool:
    return outer[0] >= inner[0] and outer[1] >= inner[1]


def _by(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"
