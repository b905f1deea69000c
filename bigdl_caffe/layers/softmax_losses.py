"""Losses of a softmax."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.format.blob import read_blob
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.losses import (
    BVLC_REFUSES,
    Loss,
    bvlc_mode,
    ignored_label,
    one_label_each,
    same_rows,
)
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import between, count, register
from bigdl_caffe.nn import softmax_losses as modules


class SoftmaxLoss(Loss):
    """What losses of a softmax share: labels along an axis, and a second top with the softmax."""

    tops = between(1, 2)
    refused: ClassVar[Fields] = {"loss_param": BVLC_REFUSES}
    start: int
    """The axis of the classes, as the prototxt gives it."""

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.mode = bvlc_mode(spec.param.loss_param)
        self.ignore = ignored_label(spec.param.loss_param)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, and the first bottom's shape for the second top."""
        same_rows(bottoms)
        one_label_each(bottoms[0], bottoms[1], self.class_axis(bottoms))
        return [(), bottoms[0]][: len(self.spec.tops)]

    def class_axis(self, bottoms: Sequence[Shape]) -> int:
        """Return the non-negative axis of the classes."""
        return self.axis(self.start, len(bottoms[0]))

    def classes(self, bottoms: Sequence[Shape]) -> int:
        """Return how many classes there are."""
        return bottoms[0][self.class_axis(bottoms)]

    def settings(self, bottoms: Sequence[Shape]) -> dict[str, Any]:
        """Return what the modules of all softmax losses take."""
        axis, prob = self.class_axis(bottoms), len(self.spec.tops) > 1
        return {"axis": axis, "mode": self.mode, "ignore": self.ignore, "prob": prob}


@register("SoftmaxWithLoss")
class SoftmaxWithLoss(SoftmaxLoss):
    """Log loss of a softmax; a second top holds the softmax (softmax_loss_layer.cpp).

    With ``weight_by_label_freqs`` of SegNet's and ENet's forks each label counts for its
    ``class_weighting``, or where none is given for one over how many such labels there are.
    With ``only_care_label`` of BVLC/caffe#6253 one label counts, and no other.
    """

    meanings = (
        "With `weight_by_label_freqs`: SegNet's and ENet's, with a weight a class. Otherwise "
        "BVLC's."
    )
    options = ("softmax_param", "loss_param")
    fork_options: ClassVar[Messages] = {
        "loss_param": {"weight_by_label_freqs": False, "class_weighting": [], "only_care_label": -1}
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.start = spec.param.softmax_param.axis
        self.weighted, self.weights, self.only = self.fork_values["loss_param"].values()
        if not all(isinstance(weight, int | float) for weight in self.weights):
            raise ShapeError(f"class_weighting {self.weights} is not all numbers: mend it")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, and the first bottom's shape for the second top."""
        tops, classes = super().top_shapes(bottoms), self.classes(bottoms)
        if self.weighted and len(self.weights) not in (0, classes):
            raise ShapeError(
                f"{len(self.weights)} class_weighting for {classes} classes: give one a class"
            )
        return tops

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        weights = self.weights if self.weighted and self.weights else None
        return modules.SoftmaxWithLoss(
            **self.settings(bottoms),
            weights=weights,
            by_frequency=self.weighted and weights is None,
            only=None if self.only < 0 else self.only,
        )


@register("InfogainLoss")
class InfogainLoss(SoftmaxLoss):
    """Softmax loss weighted by an infogain matrix (infogain_loss_layer.cpp).

    The matrix is a third bottom, or the blob in the file ``source``, looked for from the
    working directory. A second top holds the softmax.
    """

    bottoms = between(2, 3)
    label_bottoms = frozenset({1, 2})
    options = ("infogain_loss_param", "loss_param")

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.infogain_loss_param
        self.start = self.param.axis
        if spec.param.loss_param.HasField("normalize"):
            raise ShapeError("InfogainLoss takes no normalize: give normalization: VALID instead")
        if len(spec.bottoms) < 3 and not self.param.HasField("source"):
            raise ShapeError("it has no matrix: give infogain_loss_param.source, or a third bottom")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, and the first bottom's shape for the second top."""
        tops, classes = super().top_shapes(bottoms), self.classes(bottoms)
        shape = bottoms[2] if len(bottoms) > 2 else tuple(self.matrix.shape)
        if count(shape) != classes**2:
            raise ShapeError(
                f"the infogain matrix is {shape} for {classes} classes: give {classes} x {classes}"
            )
        return tops

    @cached_property
    def matrix(self) -> torch.Tensor:
        """The matrix in the file ``source``."""
        return torch.from_numpy(read_blob(self.param.source))

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        matrix = self.matrix if len(bottoms) < 3 else None
        return modules.InfogainLoss(**self.settings(bottoms), matrix=matrix)
