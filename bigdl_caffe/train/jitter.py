"""What training does to pictures at random, by the words of the net."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bigdl_caffe import feeding
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.image.transform import Cut

_CROPS = ("crop_size", "crop_h", "crop_w", "crop_height", "crop_width")


@dataclass(frozen=True)
class Jitter:
    """Which liberties are taken with a picture (data_transformer.cpp).

    Attributes
    ----------
    crop : bool
        The crop may lie anywhere in the resized picture.
    mirror : bool
        One picture in two is turned left to right.
    """

    crop: bool = False
    mirror: bool = False

    def cut(self, rng: np.random.Generator) -> Cut:
        """Return what chance makes of one picture."""
        top, left, side = rng.random(3).tolist()
        return Cut((top, left) if self.crop else None, self.mirror and side < 0.5)


def jitters(net: Net) -> dict[str, Jitter]:
    """Return what the transform_param of a net's data layers asks for, by input blob.

    A net that is not in TRAIN phase has none, nor have inputs that are no pictures.
    """
    if net.phase != "TRAIN":
        return {}
    images = [blob for blob, shape in net.inputs.items() if feeding.is_image(shape[1:])]
    found = {blob: _jitter(feeding.transform_param(net, blob)) for blob in images}
    return {blob: jitter for blob, jitter in found.items() if jitter != Jitter()}


def _jitter(param: pb.TransformationParameter | None) -> Jitter:
    if param is None:
        return Jitter()
    return Jitter(any(getattr(param, name) for name in _CROPS), param.mirror)
