"""Losses and metrics of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.losses import NOT_RUN, Loss, Metric
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import count, exactly, register
from bigdl_caffe.nn import sequence_losses as modules


@register("CtcLoss")
class CtcLoss(Loss):
    """Connectionist temporal classification by warp-ctc (ctc_loss_layer.cpp).

    Takes scores (T, N, classes) and labels (N, length), padded with the blank label. As in the
    fork, the loss is a mean over the sequences and its gradient that of their sum.
    """

    meanings = (
        "warp-ctc's, with two bottoms; `CTCLoss` is another layer, pull request 4681's, with "
        "three. Both read a `ctc_loss_param`, each its own fields."
    )
    fork = "xmfbit/warpctc-caffe; BVLC/caffe, pull request 6354"
    fork_options: ClassVar[Messages] = {
        "ctc_loss_param": {"alphabet_size": 0, "time_step": 0, "blank_label": 0}
    }
    without_golden = NOT_RUN + "tests/layers/test_sequence_losses.py"

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.classes, self.steps, self.blank = self.fork_values["ctc_loss_param"].values()
        if self.classes < 1 or self.steps < 1:
            raise ShapeError(
                "alphabet_size and time_step of ctc_loss_param have to be at least 1: give both"
            )
        if not 0 <= self.blank < self.classes:
            raise ShapeError(f"blank_label {self.blank} is none of {self.classes} classes")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        x, labels = bottoms
        fits = len(x) > 2 and x[0] >= self.steps and count(x[2:]) == self.classes
        if not (fits and len(labels) > 1 and labels[0] == x[1]):
            raise ShapeError(
                f"bottoms are {x} and {labels}: give scores of at least {self.steps} time steps "
                f"(T, N, {self.classes}) and labels (N, length)"
            )
        return [()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.CtcLoss(self.steps, self.blank)


@register("CTCLoss")
class CTCLoss(Loss):
    """Connectionist temporal classification (ctc_loss_layer.cpp of a pull request).

    Takes scores (T, N, classes), sequence indicators (T, N), and targets (T, N) with a negative
    number behind the last label. The loss is a mean over the sequences; its gradient is that of
    their sum, and does not heed loss_weight.
    """

    without_effect: ClassVar[Fields] = {"ctc_loss_param": ("loss_calculation_t",)}
    bottoms = exactly(3)
    label_bottoms = frozenset({1, 2})
    fork = "BVLC/caffe, pull request 4681"
    fork_options: ClassVar[Messages] = {
        "ctc_loss_param": {
            "output_delay": 0,
            "blank_index": -1,
            "preprocess_collapse_repeated": False,
            "ctc_merge_repeated": True,
            "loss_calculation_t": 0,  # which the fork sets back to 0 itself
        }
    }
    without_golden = NOT_RUN + "tests/layers/test_sequence_losses.py"

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.given = self.fork_values["ctc_loss_param"]
        if self.given["output_delay"] < 0:
            raise ShapeError("output_delay is negative: give the number of steps to leave out")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        x, indicator, target = bottoms
        plain = len(x) > 2 and count(x[3:]) == count(indicator[2:]) == count(target[2:]) == 1
        if not (plain and indicator[:2] == target[:2] == x[:2]):
            raise ShapeError(
                f"bottoms are {x}, {indicator} and {target}: give scores (T, N, classes), then "
                f"sequence indicators and targets (T, N)"
            )
        if self.given["blank_index"] >= x[2]:
            raise ShapeError(f"blank_index {self.given['blank_index']} is none of {x[2]} classes")
        return [()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        o = self.given
        return modules.CTCLoss(
            o["blank_index"],
            o["output_delay"],
            o["preprocess_collapse_repeated"],
            o["ctc_merge_repeated"],
        )


@register("LabelsequenceAccuracy")
class LabelsequenceAccuracy(Metric):
    """Share of sequences whose best path is the label (labelsequence_accuracy_layer.cpp).

    Takes scores (N, T, classes) and labels (N, length), padded with the blank label.
    """

    fork = "xmfbit/warpctc-caffe; BVLC/caffe, pull request 6354"
    fork_options: ClassVar[Messages] = {"labelsequence_accuracy_param": {"blank_label": 0}}
    without_golden = NOT_RUN + "tests/layers/test_sequence_losses.py"

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        x, labels = bottoms
        if len(x) != 3 or len(labels) != 2 or x[0] != labels[0]:
            raise ShapeError(
                f"bottoms are {x} and {labels}: give scores (N, T, classes) and labels (N, length)"
            )
        return [()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.LabelsequenceAccuracy(
            self.fork_values["labelsequence_accuracy_param"]["blank_label"]
        )
