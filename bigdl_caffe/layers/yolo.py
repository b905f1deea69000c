"""YOLO's layers over whole maps, and what its layers ask of a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.registry import Layer, register
from bigdl_caffe.nn import yolo as modules

MOBILENET_YOLO = "eric612/MobileNet-YOLO"
WITHOUT_GOLDEN = (
    "the fork was not run; held against loops written after its source in "
    "tests/layers/test_yolo.py and test_yolo_evaluation.py"
)


def check_map(x: Shape, anchors: int, numbers: int, exact: bool = True) -> None:
    """Raise `ShapeError` unless ``x`` is a map of anchors.

    Parameters
    ----------
    x : Shape
        (n, channels, height, width)
    anchors, numbers : int
        How many anchors a place has, and how many numbers each.
    exact : bool
        Whether there may be no more numbers.
    """
    each, rest = divmod(x[1], max(anchors, 1)) if len(x) == 4 else (0, 1)
    if rest or anchors < 1 or each < numbers or (exact and each != numbers):
        raise ShapeError(
            f"the bottom is {x}; {anchors} anchors of {numbers} numbers take "
            f"{anchors * numbers} channels of 4 axes: correct num_class, num_box or num"
        )


def check_square(x: Shape) -> None:
    """Raise `ShapeError` unless the map is as high as wide."""
    if x[2] != x[3]:
        raise ShapeError(f"the bottom is {x}: it has to be as high as wide")


def biases_of(biases: Sequence[float], anchors: int) -> list[float]:
    """Return a width and a height for each of ``anchors``, or raise `ShapeError`."""
    if len(biases) < 2 * anchors:
        raise ShapeError(
            f"there are {len(biases)} biases for {anchors} anchors: give a width and a height each"
        )
    return list(biases)[: 2 * anchors]


@register("Reorg")
class Reorg(Layer):
    """Squares of places to channels, as darknet does it; with ``reverse`` channels to squares.

    From reorg_layer.cpp, on which the forks agree. Their backward pass gives zeros, as it reads
    a buffer that nothing fills.
    """

    drops_gradient = (0,)
    fork = f"{MOBILENET_YOLO}, intel/caffe"
    in_place = False
    without_golden = WITHOUT_GOLDEN

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.stride, self.reverse = spec.param.reorg_param.stride, spec.param.reorg_param.reverse
        if self.stride < 1:
            raise ShapeError("stride is missing or 0: give at least 1")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the shape with ``stride`` taken from the map and given to channels, or back."""
        if len(bottoms[0]) != 4:
            raise ShapeError(f"the bottom is {bottoms[0]}; Reorg takes 4 axes: reshape it")
        (n, c, h, w), s = bottoms[0], self.stride
        if c % (s * s) or (not self.reverse and (h % s or w % s)):
            raise ShapeError(
                f"the bottom is {bottoms[0]}: its channels have to be a multiple of {s * s}, and "
                f"without reverse its height and width one of {s}"
            )
        return [(n, c // (s * s), h * s, w * s) if self.reverse else (n, c * s * s, h // s, w // s)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Reorg(self.stride, self.reverse)


@register("Region")
class Region(Layer):
    """Sigmoids and softmaxes of a map of anchors (region_layer.cpp of OpenVINO's toolbox).

    ``region_param`` holds ``classes``, ``coords`` and ``num``. Layers of that name in other
    forks have other fields (boxes_of_each_grid, biases), and are refused by those.
    """

    meanings = (
        "OpenVINO's, by `classes`, `coords` and `num`. Other forks' have other fields and are "
        "refused by them."
    )
    drops_gradient = (0,)
    fork = "openvinotoolkit/training_toolbox_caffe"
    fork_options: ClassVar[Messages] = {"region_param": {"classes": 20, "coords": 4, "num": 1}}
    in_place = False
    without_golden = WITHOUT_GOLDEN

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = self.fork_values["region_param"]
        if self.param["coords"] < 2:
            raise ShapeError(f"coords is {self.param['coords']}: a box has at least a centre, so 2")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape."""
        p = self.param
        check_map(bottoms[0], p["num"], p["coords"] + 1 + p["classes"])
        return [bottoms[0]]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Region(self.param["num"], self.param["coords"])
