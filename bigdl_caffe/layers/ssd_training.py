"""The loss and the metric that SSD is trained with."""

from __future__ import annotations

from collections.abc import Sequence

from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.losses import Loss, Metric
from bigdl_caffe.layers.registry import exactly, register


@register("MultiBoxLoss")
class MultiBoxLoss(Loss):
    """Location and confidence loss of SSD (multibox_loss_layer.cpp)."""

    bottoms = exactly(4)
    label_bottoms = frozenset({3})


@register("DetectionEvaluate")
class DetectionEvaluate(Metric):
    """Matches of detections and boxes (detection_evaluate_layer.cpp of SSD)."""

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return rows of five numbers: one a class but the background, one a detection."""
        classes = self.spec.param.detection_evaluate_param.num_classes
        return [(1, 1, classes - 1 + bottoms[0][2], 5)]
