"""Losses of features: how near they lie to each other, to centres and to codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.losses import NOT_RUN, Loss, legacy, same_rows
from bigdl_caffe.layers.registry import BlobSpec, count, exactly, register
from bigdl_caffe.nn import metric_learning as modules

TESTED = NOT_RUN + "tests/layers/test_metric_learning.py"


@register("CenterLoss")
class CenterLoss(Loss):
    """Squared distance to a learned centre of each label (center_loss_layer.cpp).

    Blob: centres (num_output, features). Their gradient is the fork's rule to move them to the
    mean of their features, which loss_weight does not change: lr_mult is how fast they go.
    """

    fork = "ydwen/caffe-face"
    fork_options: ClassVar[Messages] = {
        "center_loss_param": {"num_output": 0, "center_filler": pb.FillerParameter(), "axis": 1}
    }
    without_golden = TESTED

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.classes, self.filler, self.start = self.fork_values["center_loss_param"].values()
        if self.classes < 1:
            raise ShapeError("num_output of center_loss_param is missing: give how many labels")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        same_rows(bottoms)
        if count(bottoms[1]) != bottoms[0][0]:
            raise ShapeError(f"the labels are {bottoms[1]} for {bottoms[0][0]} rows: give one each")
        axis = self.axis(self.start, len(bottoms[0]))
        if count(bottoms[0][:axis]) != bottoms[0][0]:
            raise ShapeError(f"axis {axis} leaves more than one feature a row: give axis 1")
        return [()]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return the centres."""
        return [BlobSpec("weight", (self.classes, count(bottoms[0][1:])), self.filler)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.CenterLoss()


@register("TripletLoss")
class TripletLoss(Loss):
    """Loss of sets of a sample, one alike and num_triplets unlike (triplet_loss_layer.cpp).

    Takes features (sets * (2 + num_triplets), channels) and a second bottom that is not read.
    """

    meanings = (
        "Pull request 2603's. Other forks' layers of this name have other fields or numbers of "
        "bottoms and are refused by them."
    )
    fork = "BVLC/caffe, pull request 2603"
    fork_options: ClassVar[Messages] = {
        "triplet_loss_param": {"margin": 1.0, "losstype": 1, "num_triplets": 3}
    }
    without_golden = TESTED

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.margin, self.kind, self.unlike = self.fork_values["triplet_loss_param"].values()
        if self.unlike < 0:
            raise ShapeError(f"num_triplets {self.unlike} is negative: give 1 or more")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        same_rows(bottoms)
        (rows, *x), (_, *similarity) = map(legacy, bottoms)
        if x[1:] != [1, 1] or similarity != [1, 1, 1]:
            raise ShapeError(
                f"bottoms are {bottoms[0]} and {bottoms[1]}: give (N, channels) and (N, 1)"
            )
        if rows % (2 + self.unlike):
            raise ShapeError(
                f"{rows} rows are no sets of {2 + self.unlike}, a sample, one alike and "
                f"{self.unlike} unlike: feed whole sets"
            )
        return [()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.TripletLoss(self.unlike, self.margin, ratio=self.kind != 0)


@register("PairwiseLoss")
class PairwiseLoss(Loss):
    """Log loss of whether two rows share a label (pairwise_loss_layer.cu of HashNet's Caffe)."""

    fork = "thuml/HashNet; BVLC/caffe, pull request 5757"
    fork_options: ClassVar[Messages] = {"pairwise_param": {"threshold": -1.0}}
    without_golden = TESTED

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.PairwiseLoss(**self.fork_values["pairwise_param"])


@register("QuantizationLoss")
class QuantizationLoss(Loss):
    """How far features are from -1 and 1 (quantization_loss_layer.cu of HashNet's Caffe).

    The value is a mean over all elements, the gradient that of each row's sum.
    """

    bottoms = exactly(1)
    label_bottoms = frozenset()
    fork = "thuml/HashNet; BVLC/caffe, pull request 5757"
    fork_options: ClassVar[Messages] = {"quantization_param": {"threshold": -1.0}}
    without_golden = TESTED

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        return [()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.QuantizationLoss(**self.fork_values["quantization_param"])


@register("XCovLoss")
class XCovLoss(Loss):
    """Half the squared cross-covariances of two blobs (xcov_loss_layer.cpp)."""

    label_bottoms = frozenset()
    weighs = False
    fork = "briancheung/caffe; BVLC/caffe, pull request 2126"
    without_golden = TESTED

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (1, 1, 1, 1)."""
        same_rows(bottoms)
        return [(1, 1, 1, 1)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.XCovLoss()
