"""Carry out a `Recipe`: pictures in, a float batch and a reason for each bad one out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import ImageError
from bigdl_caffe.image.decode import decode
from bigdl_caffe.image.recipe import Floats, Recipe
from bigdl_caffe.image.resize import resize

Picture = NDArray[Any]


class Batch(NamedTuple):
    """Pictures made ready, and what became of each.

    Attributes
    ----------
    array : ndarray
        float32, (good pictures, channels, height, width), in the order given.
    rows : ndarray
        For each row of ``array``, the position of its picture in what was given.
    errors : list of (str or None)
        For each picture given: why it is not in ``array``, or None when it is.
    """

    array: Floats
    rows: NDArray[np.intp]
    errors: list[str | None]


class Cut(NamedTuple):
    """Which part of a picture a recipe's crop keeps, and which way round.

    Attributes
    ----------
    place : (float, float), optional
        From 0 to below 1: how far down and to the right of all places that the crop can
        have. Default: the centre.
    mirrored : bool
        Turn it left to right at last.
    """

    place: tuple[float, float] | None = None
    mirrored: bool = False


CENTRE = Cut()


def apply(recipe: Recipe, image: Picture) -> Floats:
    """Return ``image`` as the recipe makes it.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    image : ndarray
        uint8 or float32, (height, width, channels) or, for grey, (height, width); BGR.

    Returns
    -------
    ndarray
        float32, ``recipe.shape``.

    Raises
    ------
    ImageError
        When the image has other channels than the recipe, or is too small for its crop.
    """
    out = np.empty(recipe.shape, np.float32)
    apply_into(recipe, image, out)
    return out


def apply_into(recipe: Recipe, image: Picture, out: Floats, cut: Cut = CENTRE) -> None:
    """As `apply`, written into ``out``, a float32 array of ``recipe.shape``.

    With a ``cut`` as data_transformer.cpp in training: the mean is the one of that place.
    """
    pixels = _pixels(image, recipe.channels)
    if recipe.resize is not None:
        pixels = resize(pixels, recipe.resize)
    place = _place(pixels, recipe.shape[1:], cut)
    pixels = pixels[place]
    if recipe.channel_order == "RGB":
        pixels = pixels[:, :, ::-1]
    planes = pixels.transpose(2, 0, 1)
    mean = recipe.subtrahend if cut.place is None else recipe.subtrahend_at(place)
    out = out[:, :, ::-1] if cut.mirrored else out
    if mean is None:
        out[...] = planes
    else:
        np.subtract(planes, mean, out=out)
    if recipe.scale != 1:
        out *= np.float32(recipe.scale)


def batch(
    recipe: Recipe,
    images: Sequence[bytes | memoryview | Picture | None],
    cuts: Sequence[Cut] = (),
) -> Batch:
    """Make a batch of encoded pictures (or decoded ones, BGR); a bad one raises nothing.

    Parameters
    ----------
    recipe : Recipe
        What to do with each.
    images : sequence of bytes, memoryview, ndarray or None
        Whole image files, or pixels as `apply` takes them.
    cuts : sequence of Cut
        One for each picture; by default all are cut at the centre.

    Returns
    -------
    Batch
        The good ones, their positions, and the reasons of the bad ones.

    Raises
    ------
    CaffeError
        Only for what concerns every picture: Pillow is not installed.
    """
    return collect(recipe, [partial(_decoded, recipe, image) for image in images], cuts)


def collect(
    recipe: Recipe, pictures: Sequence[Callable[[], Picture]], cuts: Sequence[Cut] = ()
) -> Batch:
    """As `batch`, of pictures that are made one at a time, each when its turn comes.

    One that raises `ImageError` is a bad one.
    """
    array = np.empty((len(pictures), *recipe.shape), np.float32)
    rows: list[int] = []
    errors: list[str | None] = []
    cuts = cuts or [CENTRE] * len(pictures)
    for row, (picture, cut) in enumerate(zip(pictures, cuts, strict=True)):
        try:
            apply_into(recipe, picture(), array[len(rows)], cut)
        except ImageError as error:
            errors.append(str(error))
        else:
            rows.append(row)
            errors.append(None)
    return Batch(array[: len(rows)], np.array(rows, np.intp), errors)


def _decoded(recipe: Recipe, image: bytes | memoryview | Picture | None) -> Picture:
    if image is None:
        raise ImageError("there is no image: the value is null")
    if isinstance(image, np.ndarray):
        return image
    return decode(image, recipe.channels, recipe.max_pixels, recipe.orient)


def _pixels(image: Picture, channels: int) -> Picture:
    """Return ``image`` with three axes, in bytes or single floats."""
    pixels = image[:, :, None] if image.ndim == 2 else image
    if pixels.ndim != 3 or pixels.shape[2] != channels or not pixels.size:
        raise ImageError(
            f"the image has shape {image.shape}: the recipe takes (height, width, {channels})"
        )
    return pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32, copy=False)


def _place(pixels: Picture, size: tuple[int, int], cut: Cut) -> tuple[slice, slice]:
    """Return the rows and columns that ``cut`` keeps."""
    height, width = pixels.shape[:2]
    if height < size[0] or width < size[1]:
        raise ImageError(
            f"the picture is {height}x{width} (height x width), smaller than the crop "
            f"{size[0]}x{size[1]}: give the recipe a resize"
        )
    room = (height - size[0], width - size[1])
    if cut.place is None:
        top, left = room[0] // 2, room[1] // 2  # Caffe's TEST phase
    else:
        top, left = (int(part * (n + 1)) for part, n in zip(cut.place, room, strict=True))
    return slice(top, top + size[0]), slice(left, left + size[1])
