"""Online hard example mining of R-FCN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.losses import (
    NOT_RUN,
    Loss,
    ignored_label,
    legacy,
    normalization,
    one_label_each,
)
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import Layer, between, exactly, register
from bigdl_caffe.nn import ohem as modules


@register("SoftmaxWithLossOHEM")
class SoftmaxWithLossOHEM(Loss):
    """Softmax loss, softmax, and each place's loss (softmax_loss_ohem_layer.cu of R-FCN).

    The rule is the GPU code's: the CPU's sums up other numbers where labels are ignored.
    """

    tops = between(1, 3)
    options = ("loss_param", "softmax_param")
    refused: ClassVar[Fields] = {"loss_param": ("label_smoothing",)}
    fork = "intel/caffe, Microsoft's Caffe of R-FCN"
    without_golden = NOT_RUN + "tests/layers/test_ohem.py"

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, the first bottom's shape, and the second's."""
        one_label_each(bottoms[0], bottoms[1], self._axis(bottoms))
        super().top_shapes(bottoms)
        return [(), *bottoms][: len(self.spec.tops)]

    def _axis(self, bottoms: Sequence[Shape]) -> int:
        return self.axis(self.spec.param.softmax_param.axis, len(bottoms[0]))

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.spec.param.loss_param
        return modules.SoftmaxWithLossOHEM(
            self._axis(bottoms),
            normalization(p),
            ignored_label(p),
            p.pre_fixed_normalizer,
            len(self.spec.tops),
        )


@register("BoxAnnotatorOHEM")
class BoxAnnotatorOHEM(Layer):
    """Labels and weights of each image's boxes with the largest losses, the others' ignored.

    (box_annotator_ohem_layer.cpp of R-FCN.) Of equal losses those count as larger that GCC's sort
    has first, as in the fork.
    """

    drops_gradient = (0, 1, 2, 3)
    bottoms = exactly(4)
    tops = exactly(2)
    in_place = False
    fork = "daijifeng001/caffe-rfcn"
    without_golden = NOT_RUN + "tests/layers/test_ohem.py"

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.box_annotator_ohem_param
        if self.param.roi_per_img < 1:
            raise ShapeError("roi_per_img is 0: give the number of boxes to keep of each image")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (N, 1, h, w) and (N, C, h, w)."""
        boxes, loss, label, weight = map(legacy, bottoms)
        one = (boxes[0], 1, *boxes[2:])
        wanted = [(boxes[0], 5, *boxes[2:]), one, one, (boxes[0], weight[1], *boxes[2:])]
        for i, shape in enumerate((boxes, loss, label, weight)):
            if shape != wanted[i]:
                raise ShapeError(
                    f"bottom {i} is {bottoms[i]} and has to be {wanted[i]}: boxes with the number "
                    f"of their image, then a loss, a label and weights for each of them"
                )
        return [one, weight]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.BoxAnnotatorOHEM(self.param.roi_per_img, self.param.ignore_label)

    def chooses(self) -> bool:
        """Return True: boxes stand in competition."""
        return True

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return True: boxes stand in competition."""
        return True
