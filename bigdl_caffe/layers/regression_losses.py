"""Losses of Caffe's forks that hold numbers against numbers, and a metric of the same kind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.losses import NOT_RUN, Loss, Metric, legacy, normalization, same_rows
from bigdl_caffe.layers.options import Fields, refuse, same_shapes
from bigdl_caffe.layers.registry import between, count, register
from bigdl_caffe.nn import regression_losses as modules


class SmoothL1(Loss):
    """What the smooth L1 losses share: targets and weights of the first bottom's shape.

    Weights take part, but their gradient is none; targets may get one.
    """

    drops_gradient = (2, 3)
    label_bottoms = frozenset({1, 2, 3})
    refused: ClassVar[Fields] = {"loss_param": ("label_smoothing",)}

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, and (N, 1, height, width) for the second top."""
        same_shapes([legacy(bottom) for bottom in bottoms])
        rows, _, height, width = legacy(bottoms[0])
        return [(), (rows, 1, height, width)][: len(self.spec.tops)]

    def no_gradient_to(self) -> Collection[int]:
        """Return nothing: the fork's backward pass refuses no bottom."""
        return ()

    def ohem(self) -> nn.Module:
        """Return R-FCN's module: normalised as loss_param says, with losses one by one.

        It knows no labels, and so heeds no ignore_label.
        """
        param = self.spec.param.loss_param
        mode, each = normalization(param), len(self.spec.tops) > 1
        return modules.SmoothL1LossOHEM(mode, param.pre_fixed_normalizer, each)


@register("SmoothL1Loss")
class SmoothL1Loss(SmoothL1):
    """Huber loss (smooth_L1_loss_layer.cpp of Fast R-CNN, SSD and R-FCN).

    Two bottoms are SSD's, or Fast R-CNN's with ``sigma``; four are Fast R-CNN's, with weights
    inside and outside of the loss. Both divide by the number of rows, but not with Intel's
    ``normalization: NONE``. Three bottoms, or two tops, or two bottoms with a ``loss_param``
    are R-FCN's, which is `SmoothL1LossOHEM` elsewhere.
    """

    meanings = (
        "Four bottoms: Fast R-CNN's. Three bottoms, two tops, or two bottoms with a `loss_param`: "
        "R-FCN's, as `SmoothL1LossOHEM`. Two bottoms alone: SSD's, which is Fast R-CNN's without "
        "weights."
    )
    bottoms = between(2, 4)
    tops = between(1, 2)
    options = ("smooth_l1_loss_param", "loss_param")
    fork = "rbgirshick/caffe-fast-rcnn, weiliu89/caffe (ssd branch), daijifeng001/caffe-rfcn"

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        bottoms, tops, given = len(spec.bottoms), len(spec.tops), spec.param.HasField("loss_param")
        self.rfcn = bottoms < 4 and (tops > 1 or given)
        self.weighs = not self.rfcn
        super().__init__(spec, phase)
        if tops > 1 and bottoms == 4:
            raise ShapeError("a second top goes with 2 or 3 bottoms: remove it")
        if bottoms == 3 and not self.rfcn:
            raise ShapeError(
                "3 bottoms hold weights for which no fork here has a rule without loss_param: "
                "give loss_param for R-FCN's, or inside and outside weights for Fast R-CNN's"
            )
        if self.rfcn:
            refuse(spec.param.smooth_l1_loss_param, "sigma")

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        if self.rfcn:
            return self.ohem()
        summed = normalization(self.spec.param.loss_param) == "NONE"
        return modules.SmoothL1Loss(self.spec.param.smooth_l1_loss_param.sigma, summed)


@register("SmoothL1LossOHEM")
class SmoothL1LossOHEM(SmoothL1):
    """Huber loss with a loss a place besides (smooth_L1_loss_ohem_layer.cpp of R-FCN).

    The weights of a third bottom scale the errors; the fork's gradient leaves them out.
    """

    bottoms = between(2, 3)
    tops = between(1, 2)
    weighs = False
    options = ("loss_param",)
    fork = "intel/caffe, Microsoft's Caffe of R-FCN"
    without_golden = NOT_RUN + "tests/layers/test_ohem.py"

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return self.ohem()


@register("L1Loss")
class L1Loss(Loss):
    """Sum of absolute errors or of distances a row (l1loss_layer.cpp and .cu of FlowNet2).

    One bottom is an error already. Errors that are not a number count nowhere.
    """

    bottoms = between(1, 2)
    fork = "lmb-freiburg/flownet2"
    without_golden = NOT_RUN + "tests/layers/test_regression_losses.py"

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        same_shapes(bottoms)
        if not 2 <= len(bottoms[0]) <= 4:
            raise ShapeError(f"the bottom is {bottoms[0]}; L1Loss takes 2 to 4 axes: reshape it")
        return [()]

    def no_gradient_to(self) -> Collection[int]:
        """Return nothing: both bottoms get a gradient."""
        return ()

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.spec.param.l1_loss_param
        return modules.L1Loss(
            p.l2_per_location,
            p.epsilon,
            p.l2_prescale_by_channels,
            p.normalize_by_num_entries,
            p.plateau,
        )


@register("SVRLoss")
class SVRLoss(Loss):
    """Sum of absolute errors a row (svr_loss_layer.cpp of a pull request to BVLC Caffe).

    The second bottom gets no gradient, also where it is no label.
    """

    drops_gradient = (1,)
    fork = "BVLC/caffe, pull request 5779"
    without_golden = NOT_RUN + "tests/layers/test_regression_losses.py"

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        same_rows(bottoms)
        if count(bottoms[0]) != count(bottoms[1]):
            raise ShapeError(f"bottoms {bottoms[0]} and {bottoms[1]} differ in size: reshape one")
        return [()]

    def no_gradient_to(self) -> Collection[int]:
        """Return nothing: its backward pass leaves the second bottom out without a word."""
        return ()

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.SVRLoss()


@register("ACCURACY_REGRESSION")
class AccuracyRegression(Metric):
    """Half the absolute errors a row (accuracy_regression_layer.cpp of a pull request)."""

    options = ("accuracy_param",)
    fork = "BVLC/caffe, pull request 1378"
    refused: ClassVar[Fields] = {"accuracy_param": ("axis", "ignore_label")}
    without_golden = NOT_RUN + "tests/layers/test_regression_losses.py"

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (1, 1, 1, 1)."""
        same_shapes([legacy(bottom) for bottom in bottoms])
        top_k, classes = self.spec.param.accuracy_param.top_k, count(bottoms[0][1:])
        if top_k > classes:
            raise ShapeError(f"top_k {top_k} is more than the {classes} numbers a row: reduce it")
        return [(1, 1, 1, 1)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.AccuracyRegression()
