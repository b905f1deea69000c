"""transform_param, carried out as data_transformer.cpp does.

In this order: SSD's resize, crop (at random in training, else the centre), mean, scale,
mirror. The mean file has the size of the picture before the crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bigdl_caffe.data.datum import planes
from bigdl_caffe.data.source import Array, Floats, Place, refuse_others
from bigdl_caffe.errors import CaffeError, ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.blob import read_mean
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.image.resize import resize

KNOWN = (
    "scale mirror crop_size mean_file mean_value force_color force_gray crop_h crop_w resize_param "
    "debug_params display num_labels random_seed use_gpu_transform"
)
"""Fields that are computed, and those of forks that change no number but random ones."""


@dataclass(frozen=True)
class View:
    """The part of a picture that is kept, and whether it is turned left to right."""

    top: int
    left: int
    height: int
    width: int
    mirrored: bool


class Transform:
    """What a data layer does to each picture.

    Parameters
    ----------
    param : TransformationParameter
    phase : str
        "TRAIN" or "TEST".
    place : Place
        Where the mean file is looked for.

    Raises
    ------
    UnsupportedLayerError
        For options of forks that are not computed.
    CaffeError
        For a mean file that is missing or is none, and where there are mean values too.
    """

    def __init__(self, param: pb.TransformationParameter, phase: str, place: Place) -> None:
        refuse_others("transform_param", param, KNOWN)
        self.random_crop = phase == "TRAIN"
        self.mirror, self.scale = param.mirror, np.float32(param.scale)
        self.crop = (param.crop_size,) * 2 if param.crop_size else (param.crop_h, param.crop_w)
        self.warp = _warp(param)
        self.mean: Floats | None = None
        if param.HasField("mean_file"):
            if param.mean_value:
                raise CaffeError("there are mean_file and mean_value: keep one of them")
            if self.warp or param.crop_h:
                raise UnsupportedLayerError(
                    "mean_file with resize_param or crop_h is subtracted otherwise by every "
                    "fork: give mean_value"
                )
            self.mean = read_mean(place.path(param.mean_file))
        elif param.mean_value:
            self.mean = np.array(param.mean_value, np.float32).reshape(-1, 1, 1)
        self.mean_is_picture = param.HasField("mean_file")

    def shape(self, image: Shape) -> Shape:
        """Return what becomes of a picture of shape (channels, height, width)."""
        channels, *size = image
        return (channels, *(self.crop if all(self.crop) else self.warp or size))

    def __call__(self, image: Array, rng: np.random.Generator) -> Floats:
        """Return ``image``, uint8 or float32 and (channels, height, width), transformed.

        Raises
        ------
        ShapeError
            Where the picture is smaller than the crop, or of another size or other channels
            than the mean.
        """
        resized = self.resize(image)
        return self.cut(resized, self.view(resized.shape, rng))

    def resize(self, image: Array) -> Array:
        """Return ``image`` warped to resize_param's size, where there is one."""
        if self.warp is None:
            return image
        return planes(resize(np.ascontiguousarray(np.moveaxis(image, 0, 2)), self.warp))

    def view(self, image: Shape, rng: np.random.Generator) -> View:
        """Return which part of a resized picture is kept; chance has its say here only."""
        _, height, width = image
        crop_height, crop_width = self.crop if all(self.crop) else (height, width)
        if height < crop_height or width < crop_width:
            raise ShapeError(
                f"the picture is {height}x{width} (height x width), smaller than the crop "
                f"{crop_height}x{crop_width}: use larger pictures or a smaller crop_size"
            )
        mirrored = bool(self.mirror and rng.integers(2))
        room = (height - crop_height, width - crop_width)
        top, left = (
            (int(rng.integers(n + 1)) for n in room) if self.random_crop else (n // 2 for n in room)
        )
        return View(top, left, crop_height, crop_width, mirrored)

    def cut(self, image: Array, view: View) -> Floats:
        """Return the part of ``image`` in ``view``, less the mean, scaled and mirrored."""
        part = (
            ...,
            slice(view.top, view.top + view.height),
            slice(view.left, view.left + view.width),
        )
        out = image[part].astype(np.float32)
        if self.mean is not None:
            self._check_mean(image.shape, self.mean.shape)
            out -= self.mean[part] if self.mean_is_picture else self.mean
        out *= self.scale
        return out[..., ::-1] if view.mirrored else out

    def _check_mean(self, image: Shape, mean: Shape) -> None:
        if self.mean_is_picture and mean != image:
            raise ShapeError(
                f"the mean file is {mean} (channels, height, width) and the picture {image}: "
                "resize the pictures to the mean's size, or give mean_value"
            )
        if mean[0] not in (1, image[0]):
            raise ShapeError(
                f"there are {mean[0]} values of mean_value for {image[0]} channels: give one, or "
                "one a channel"
            )


def _warp(param: pb.TransformationParameter) -> tuple[int, int] | None:
    """Return resize_param's height and width; None where there is none."""
    if not param.resize_param:
        return None
    policy, *others = param.resize_param
    how = pb.ResizeParameter
    if others or policy.resize_mode != how.WARP or {*policy.interp_mode} - {how.LINEAR}:
        raise UnsupportedLayerError(
            "resize_param is computed with resize_mode: WARP and interp_mode: LINEAR only: use "
            "these, or resize the pictures beforehand"
        )
    if not (policy.height and policy.width):
        raise ShapeError("resize_param needs a height and a width of at least 1")
    return policy.height, policy.width
