"""Losses and metrics of Caffe's forks."""

from __future__ import annotations

from collections.abc import Sequence

from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.losses import Loss, Metric
from bigdl_caffe.layers.registry import between, register


@register("SmoothL1Loss")
class SmoothL1Loss(Loss):
    """Huber loss with optional weights (smooth_L1_loss_layer.cpp of Fast R-CNN and SSD)."""

    bottoms = between(2, 4)
    label_bottoms = frozenset({1, 2, 3})


@register("SmoothL1LossOHEM")
class SmoothL1LossOHEM(Loss):
    """Smooth L1 with a loss an element besides (smooth_L1_loss_ohem_layer.cpp of R-FCN)."""

    bottoms = between(2, 4)
    label_bottoms = frozenset({1, 2, 3})
    tops = between(0, 2)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, and the first bottom's shape with one channel."""
        x = bottoms[0]
        return [(), (x[0], 1, *x[2:])][: len(self.spec.tops)]


@register("SoftmaxWithLossOHEM")
class SoftmaxWithLossOHEM(Loss):
    """Softmax loss with a loss an element besides (softmax_loss_ohem_layer.cpp of R-FCN)."""

    tops = between(0, 3)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, the softmax's shape, and that without its channels."""
        x = bottoms[0]
        return [(), x, (x[0], 1, *x[2:])][: len(self.spec.tops)]


@register("SegAccuracy")
class SegAccuracy(Metric):
    """Overall, mean and IoU accuracy of a segmentation (seg_accuracy_layer.cpp of DeepLab)."""

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the three numbers."""
        return [(1, 1, 1, 3)]
