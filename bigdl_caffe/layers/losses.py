"""Losses, and what they share with metrics."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import Layer, Role, between, count, exactly, register
from bigdl_caffe.nn import losses as modules


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


BVLC_REFUSES = ("label_smoothing", "pre_fixed_normalizer")
"""Fields of loss_param that BVLC's losses lack."""


def bvlc_mode(param: pb.LossParameter, default: str = "VALID") -> str:
    """Return `normalization` of BVLC's losses, which have no PRE_FIXED."""
    mode = normalization(param, default)
    if mode == "PRE_FIXED":
        raise UnsupportedLayerError(
            "normalization: PRE_FIXED is an option of forks' other losses: give VALID, FULL, "
            "BATCH_SIZE or NONE"
        )
    return mode


def ignored_label(param: pb.LossParameter | pb.AccuracyParameter) -> int | None:
    """Return ``ignore_label``, None where it is not given."""
    return int(param.ignore_label) if param.HasField("ignore_label") else None


def same_rows(bottoms: Sequence[Shape]) -> None:
    """Raise `ShapeError` unless the first two bottoms have as many rows (loss_layer.cpp)."""
    if not (bottoms[0] and bottoms[1] and bottoms[0][0] == bottoms[1][0]):
        raise ShapeError(
            f"bottoms 0 and 1 are {bottoms[0]} and {bottoms[1]}: their first axes have to be equal"
        )


def one_label_each(x: Shape, labels: Shape, axis: int) -> None:
    """Raise `ShapeError` unless there is a label for each place of ``x`` beside ``axis``."""
    places = count(x[:axis]) * count(x[axis + 1 :])
    if count(labels) != places:
        raise ShapeError(
            f"the bottom {x} has its classes on axis {axis} and takes {places} labels; bottom 1 "
            f"is {labels}, which has {count(labels)}: reshape the one, or change axis"
        )


def one_label_a_row(bottoms: Sequence[Shape]) -> None:
    """Raise `ShapeError` unless the second bottom holds a label for each row of the first."""
    if count(bottoms[1]) != bottoms[0][0]:
        raise ShapeError(
            f"the labels are {bottoms[1]} for {bottoms[0][0]} rows: give one label a row"
        )


def same_counts(bottoms: Sequence[Shape]) -> None:
    """Raise `ShapeError` unless both bottoms have as many elements."""
    if count(bottoms[0]) != count(bottoms[1]):
        raise ShapeError(
            f"bottoms 0 and 1 are {bottoms[0]} and {bottoms[1]}: give both as many elements"
        )


NOT_RUN = "That fork was not run; it is held to loops written after its source: "


def legacy(shape: Shape) -> Shape:
    """Return (num, channels, height, width), as Caffe's older layers read a blob.

    Raises
    ------
    ShapeError
        For a blob of more than four axes.
    """
    if len(shape) > 4:
        raise ShapeError(f"bottom {shape} has more than 4 axes (N, C, H, W): reshape it")
    return (*shape, *[1] * (4 - len(shape)))


class Loss(Layer):
    """What all losses share: a scalar top, and one loss_weight a top (loss_layer.cpp)."""

    role = Role.LOSS
    bottoms = exactly(2)
    tops = exactly(1)
    in_place = False
    weighs: bool = True
    """Whether its top counts for 1 where no loss_weight is given, as LossLayer::LayerSetUp has it.
    Layers of forks that set up without it count for nothing then."""

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        alone = self.weighs and self.role is Role.LOSS and not spec.param.loss_weight
        if alone and len(spec.tops) > 1:
            raise ShapeError(
                f"no loss_weight for {len(spec.tops)} tops, and Caffe adds one only: give one a "
                f"top, 0 where it is no loss"
            )

    def loss_weights(self) -> Sequence[float]:
        """Return what each top counts for in the net's loss."""
        if not (self.weighs or self.spec.param.loss_weight):
            return [0.0] * len(self.spec.tops)
        return super().loss_weights()

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return scalars, once the first two bottoms have as many rows."""
        same_rows(bottoms)
        return [()] * len(self.spec.tops)

    def no_gradient_to(self) -> Collection[int]:
        """Return the labels."""
        return self.label_bottoms


class Metric(Loss):
    """What metrics share: they are not minimised, need no loss_weight, and have no gradient."""

    role = Role.METRIC

    def no_gradient_to(self) -> Collection[int]:
        """Return all bottoms."""
        return range(len(self.spec.bottoms))


@register("EuclideanLoss")
class EuclideanLoss(Loss):
    """Half the mean of squared distances (euclidean_loss_layer.cpp)."""

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, once both bottoms have as many elements a row."""
        same_rows(bottoms)
        same_counts(bottoms)
        return [()]

    def no_gradient_to(self) -> Collection[int]:
        """Return nothing: both bottoms get a gradient."""
        return ()

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.EuclideanLoss()


@register("HingeLoss")
class HingeLoss(Loss):
    """One-against-all hinge loss, norm L1 or L2 (hinge_loss_layer.cpp)."""

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, once there is a label a row."""
        same_rows(bottoms)
        one_label_a_row(bottoms)
        return [()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.HingeLoss(self.spec.param.hinge_loss_param.norm == pb.HingeLossParameter.L2)


@register("MultinomialLogisticLoss")
class MultinomialLogisticLoss(Loss):
    """Log loss of given probabilities (multinomial_logistic_loss_layer.cpp)."""

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, once there is a label a row."""
        same_rows(bottoms)
        one_label_a_row(bottoms)
        return [()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.MultinomialLogisticLoss()


@register("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(Loss):
    """Cross entropy of a sigmoid (sigmoid_cross_entropy_loss_layer.cpp)."""

    options = ("loss_param",)
    refused: ClassVar[Fields] = {"loss_param": BVLC_REFUSES}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        param = spec.param.loss_param
        self.mode, self.ignore = bvlc_mode(param, "BATCH_SIZE"), ignored_label(param)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, once there is a target for each element."""
        same_rows(bottoms)
        same_counts(bottoms)
        return [()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.SigmoidCrossEntropyLoss(self.mode, self.ignore)


@register("ContrastiveLoss")
class ContrastiveLoss(Loss):
    """Loss of alike and unlike pairs (contrastive_loss_layer.cpp).

    ``legacy_version`` has the gradient of the CPU code; the GPU's leaves the difference out.
    With four bottoms it is happynear/caffe-windows' type: pairs of equal labels are alike, and
    the version is always the legacy one.
    """

    meanings = (
        "Three bottoms: BVLC's, with a label a pair. Four: caffe-windows', with a label a row of "
        "each, alike where equal, in the legacy version."
    )
    bottoms = between(3, 4)
    label_bottoms = frozenset({2, 3})

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, once there are two vectors and a label a row."""
        same_rows(bottoms)
        same_counts(bottoms[:2])
        for labels in bottoms[2:]:
            one_label_a_row((bottoms[0], labels))
        if max(bottoms[0][2:] + bottoms[1][2:], default=1) > 1:
            raise ShapeError(
                f"bottoms 0 and 1 are {bottoms[0]} and {bottoms[1]}; ContrastiveLoss takes "
                f"(num, channels): put a Flatten before it"
            )
        return [()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        param = self.spec.param.contrastive_loss_param
        return modules.ContrastiveLoss(param.margin, param.legacy_version or len(bottoms) == 4)
