"""Layers of forks that cut the edges off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import Layer, exactly, register
from bigdl_caffe.nn import cropping as modules

LOOPS = (
    "no case can exist where that fork was not run; it is held against slices written after its "
    "source, in tests/layers/test_cropping.py"
)


@register("CropCenter")
class CropCenter(Layer):
    """``crop_size`` elements cut off both ends of each axis (crop_center_layer.cpp of waifu2x)."""

    in_place = False
    fork = "lltcggie/caffe"
    fork_options: ClassVar[Messages] = {"crop_center_param": {"crop_size": []}}
    without_golden = LOOPS

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.sizes = self.fork_values["crop_center_param"]["crop_size"]
        if any(type(size) is not int or size < 0 for size in self.sizes):
            raise ShapeError(f"crop_size is {self.sizes}: give 0 or more elements an axis")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return what is left of each axis."""
        shape = bottoms[0]
        if len(self.sizes) != len(shape):
            raise ShapeError(
                f"there are {len(self.sizes)} crop_size and the bottom is {shape}: give one an axis"
            )
        if any(2 * size >= length for size, length in zip(self.sizes, shape, strict=True)):
            raise ShapeError(
                f"crop_size {self.sizes} leaves nothing of {shape}: give less than half"
            )
        return [tuple(n - 2 * c for c, n in zip(self.sizes, shape, strict=True))]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.CropCenter(self.sizes)


@register("SimpleCrop")
class SimpleCrop(Layer):
    """Rows and columns cut off the lower right, down to the size of the second bottom.

    simple_crop_layer.cpp of the pull request BVLC/caffe#2539. A later form of it names the
    other blob in ``crop_param.blob_name``; it is read as that second bottom.
    """

    meanings = (
        "Two bottoms: pull request 2539's first form. One bottom and `crop_param.blob_name`: its "
        "later form; the blob of that name becomes the second bottom."
    )
    drops_gradient = (1,)
    bottoms = exactly(2)
    in_place = False
    fork = "BVLC/caffe#2539"
    options = ("crop_param",)
    fork_options: ClassVar[Messages] = {"crop_param": {"blob_name": ""}}
    refused: ClassVar[Fields] = {"crop_param": ("axis", "offset")}
    without_golden = LOOPS

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (n, c, and the second bottom's height and width)."""
        x, like = bottoms
        if len(x) != 4 or len(like) != 4 or x[2] < like[2] or x[3] < like[3]:
            raise ShapeError(
                f"bottom 0 is {x} and bottom 1 is {like}: give two images (num, channels, height, "
                f"width), the second one not larger"
            )
        return [(*x[:2], *like[2:])]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.SimpleCrop()
