"""Metrics of which class was taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import INT_MAX, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.losses import NOT_RUN, Metric, legacy, one_label_each
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import register
from bigdl_caffe.nn import confusion as modules

TESTED = NOT_RUN + "tests/layers/test_confusion.py"


@register("SegAccuracy")
class SegAccuracy(Metric):
    """Overall, mean and IoU accuracy of a segmentation (seg_accuracy_layer.cpp of DeepLab).

    All three are given, whatever ``metric`` says, as in the fork. With ``reset: false`` counts
    go on from one forward pass to the next.
    """

    without_effect: ClassVar[Fields] = {"seg_accuracy_param": ("metric",)}
    fork = "DeepLab's Caffe, hszhao/PSPNet"
    without_golden = TESTED

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the three numbers."""
        (rows, _, *places), labels = legacy(bottoms[0]), legacy(bottoms[1])
        if labels != (rows, 1, *places):
            raise ShapeError(
                f"bottoms are {bottoms[0]} and {bottoms[1]}: give scores (N, classes, height, "
                f"width) and labels (N, 1, height, width)"
            )
        classes = legacy(bottoms[0])[1]
        if classes**2 > INT_MAX:
            raise ShapeError(f"{classes} classes are more than can be counted against each other")
        return [(1, 1, 1, 3)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.spec.param.seg_accuracy_param
        return modules.SegAccuracy(legacy(bottoms[0])[1], p.ignore_label, p.reset)


@register("ConfusionMatrix")
class ConfusionMatrix(Metric):
    """For each label, the share of each prediction (confusion_matrix_layer.cpp)."""

    fork = "BVLC/caffe, pull request 3052"
    fork_options: ClassVar[Messages] = {"confusion_matrix_param": {"axis": 1}}
    without_golden = TESTED

    def _axis(self, bottoms: Sequence[Shape]) -> int:
        start = self.fork_values["confusion_matrix_param"]["axis"]
        return self.axis(start, len(bottoms[0]))

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (classes, classes)."""
        axis = self._axis(bottoms)
        one_label_each(bottoms[0], bottoms[1], axis)
        return [(bottoms[0][axis],) * 2]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.ConfusionMatrix(self._axis(bottoms))
