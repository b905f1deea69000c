"""Losses and metrics: recognised, so that scoring leaves them out."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.registry import Layer, Role, between, exactly, register


def normalization(param: pb.LossParameter, default: str = "VALID") -> str:
    """Return the mode for `bigdl_caffe.nn.losses.normalizer`, as softmax_loss_layer.cpp reads it.

    Parameters
    ----------
    param : LossParameter
        Whose ``normalization`` wins over the deprecated ``normalize``.
    default : str
        The mode where neither is given: BATCH_SIZE for SigmoidCrossEntropyLoss.
    """
    if param.HasField("normalization"):
        return str(pb.LossParameter.NormalizationMode.Name(param.normalization))
    if param.HasField("normalize"):
        return "VALID" if param.normalize else "BATCH_SIZE"
    return default


class Loss(Layer):
    """What all losses share: a scalar top, and one loss_weight a top (loss_layer.cpp)."""

    role = Role.LOSS
    bottoms = exactly(2)
    tops = between(0, 1)  # Caffe adds the top where it is left out
    in_place = False

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        weights = len(spec.param.loss_weight) or 1  # Caffe adds a weight of 1 where none is given
        if self.role is Role.LOSS and spec.tops and weights != len(spec.tops):
            raise ShapeError(
                f"{weights} loss_weight for {len(spec.tops)} tops: give one a top, 0 where it is "
                f"no loss"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return scalars."""
        return [()] * len(self.spec.tops)

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Refuse: losses and metrics are not computed yet."""
        raise UnsupportedLayerError(
            f"{self.spec.type} is recognised but not computed: ask for blobs before it, or pass "
            f"converters={{'{self.spec.type}': YourLayer}}"
        )


@register("SoftmaxWithLoss")
class SoftmaxWithLoss(Loss):
    """Log loss of a softmax; a second top holds the softmax (softmax_loss_layer.cpp)."""

    tops = between(0, 2)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, and the first bottom's shape for the second top."""
        return [(), bottoms[0]][: len(self.spec.tops)]


@register("InfogainLoss")
class InfogainLoss(SoftmaxWithLoss):
    """Softmax loss weighted by an infogain matrix (infogain_loss_layer.cpp)."""

    bottoms = between(2, 3)
    label_bottoms = frozenset({1, 2})


@register("EuclideanLoss")
class EuclideanLoss(Loss):
    """Half the mean of squared distances (euclidean_loss_layer.cpp)."""


@register("HingeLoss")
class HingeLoss(Loss):
    """One-against-all hinge loss (hinge_loss_layer.cpp)."""


@register("MultinomialLogisticLoss")
class MultinomialLogisticLoss(Loss):
    """Log loss of given probabilities (multinomial_logistic_loss_layer.cpp)."""


@register("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(Loss):
    """Cross entropy of a sigmoid (sigmoid_cross_entropy_loss_layer.cpp)."""


@register("ContrastiveLoss")
class ContrastiveLoss(Loss):
    """Loss of alike and unlike pairs (contrastive_loss_layer.cpp)."""

    bottoms = exactly(3)
    label_bottoms = frozenset({2})


class Metric(Loss):
    """What metrics share: they are not minimised, and need no loss_weight."""

    role = Role.METRIC
    tops = exactly(1)


@register("Accuracy")
class Accuracy(Metric):
    """Share of right answers; a second top holds it class by class (accuracy_layer.cpp)."""

    tops = between(1, 2)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, and (classes) for the second top."""
        axis = self.axis(self.spec.param.accuracy_param.axis, len(bottoms[0]))
        return [(), (bottoms[0][axis],)][: len(self.spec.tops)]
