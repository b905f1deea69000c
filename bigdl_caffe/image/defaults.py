"""The recipe that a net's own definition asks for, with what the caller sets on top.

The rule for sizes, in one place. The picture is resized to the first of these that
there is, and the centre of the input's size is cut out where that is smaller:

1. the size the caller gives;
2. the mean array's size, because Caffe subtracts a mean file from pictures of exactly
   its size and crops afterwards (256 for ImageNet's, then 227 or 224);
3. the size of transform_param's resize_param (SSD);
4. the input's size.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence

import numpy as np

from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.blob import read_mean
from bigdl_caffe.format.paths import PathLike
from bigdl_caffe.image.decode import MAX_PIXELS
from bigdl_caffe.image.recipe import Floats, Recipe, Size


def recipe_for(
    transform: pb.TransformationParameter | None,
    input_shape: tuple[int, int, int],
    base: PathLike | None = None,
    *,
    resize: Size | None = None,
    mean: Sequence[float] | Floats | PathLike | None = None,
    scale: float | None = None,
    channel_order: str | None = None,
    orient: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> Recipe:
    """Return the recipe for a net's input; what is left out comes from ``transform``.

    Parameters
    ----------
    transform : TransformationParameter or None
        The data layer's transform_param, where the net has one.
    input_shape : (int, int, int)
        Channels, height and width of the input blob.
    base : str or path, optional
        Folder or URI of the prototxt, where its mean_file is looked for.
    resize : (int, int), optional
        Height and width before the crop. Default: see the rule at the top of the module.
    mean : sequence of float, array, str or path, optional
        As `Recipe` takes it, or the path of a mean file. ``()`` subtracts nothing,
        whatever ``transform`` says.
    scale, channel_order, orient, max_pixels
        As `Recipe` takes them.

    Raises
    ------
    ShapeError
        When ``transform`` does not fit ``input_shape``: another crop_size or colour,
        too small a mean, or a way of resizing that is not warping.
    CaffeError
        When the mean file is missing or is not one.
    """
    transform = transform or pb.TransformationParameter()
    channels, *rest = input_shape
    size = (rest[0], rest[1])
    _check_colour(transform, channels)
    if isinstance(mean, str | os.PathLike):
        mean = read_mean(mean)
    subtracted = _mean(transform, base) if mean is None else mean
    before = resize or _array_size(subtracted) or _ssd_size(transform) or size
    if resize is None:
        _check_crop(transform, size)
    if channel_order is None:
        channel_order = "RGB" if transform.cvt_bgr2rgb else "BGR"
    return Recipe(
        channels=channels,
        resize=before,
        crop=None if before == size else size,
        mean=subtracted,
        scale=transform.scale if scale is None else scale,
        channel_order=channel_order,
        orient=orient,
        max_pixels=max_pixels,
    )


def _mean(transform: pb.TransformationParameter, base: PathLike | None) -> Sequence[float] | Floats:
    if not transform.HasField("mean_file"):
        return tuple(transform.mean_value)
    if transform.mean_value:
        raise CaffeError("transform_param has both mean_file and mean_value: keep one of them")
    name = transform.mean_file
    # Caffe reads it relative to where it is started, which is lost once a net is published;
    # then the file lies beside the prototxt.
    names = (name, posixpath.basename(name))
    places = [name] if base is None else [posixpath.join(os.fspath(base), n) for n in names]
    tried = []
    for place in dict.fromkeys(places):
        try:
            return read_mean(place)
        except CaffeError as error:
            tried.append(str(error))
    raise CaffeError(
        f"transform_param's mean_file '{name}' cannot be read; pass mean= (values, an array, "
        f"or () for none). Tried: {'; '.join(tried)}"
    )


def _array_size(mean: Sequence[float] | Floats) -> Size | None:
    if isinstance(mean, np.ndarray) and mean.ndim == 3:
        return int(mean.shape[1]), int(mean.shape[2])
    return None


def _ssd_size(transform: pb.TransformationParameter) -> Size | None:
    if not transform.resize_param:
        return None
    ssd = transform.resize_param[0]
    if ssd.resize_mode != pb.ResizeParameter.WARP:
        mode = pb.ResizeParameter.Resize_mode.Name(ssd.resize_mode)
        raise ShapeError(
            f"transform_param's resize_mode {mode} is not supported: pass "
            "resize=(height, width) to warp pictures to that size instead"
        )
    return (ssd.height, ssd.width) if ssd.height and ssd.width else None


def _check_colour(transform: pb.TransformationParameter, channels: int) -> None:
    forced = {3: transform.force_color, 1: transform.force_gray}
    wrong = [n for n, wanted in forced.items() if wanted and n != channels]
    if wrong:
        raise ShapeError(
            f"transform_param forces {wrong[0]} channels (force_color, force_gray), but the "
            f"input has {channels}: take the line out"
        )


def _check_crop(transform: pb.TransformationParameter, size: Size) -> None:
    crop = (
        transform.crop_h or transform.crop_height or transform.crop_size,
        transform.crop_w or transform.crop_width or transform.crop_size,
    )
    if any(crop) and crop != size:
        raise ShapeError(
            f"transform_param crops to {crop[0]}x{crop[1]}, but the input is "
            f"{size[0]}x{size[1]} (height x width): pass resize=(height, width)"
        )
