"""The loss and the metric that SSD is trained with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.losses import BVLC_REFUSES, Loss, Metric, bvlc_mode
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import between, count, register
from bigdl_caffe.layers.ssd import FORK, check_predictions, check_refinement
from bigdl_caffe.nn import evaluation, multibox
from bigdl_caffe.nn.mining import Mining

P = pb.MultiBoxLossParameter


@register("MultiBoxLoss")
class MultiBoxLoss(Loss):
    """Location and confidence loss of SSD, with its matching and mining of priors.

    From multibox_loss_layer.cpp of SSD. A part of the loss whose ``propagate_down`` is false is
    left out of the value, too. Objects of image -1 are skipped. A fifth and a sixth bottom make it
    that of RefineDet: they say of each prior whether there is an object, which mining asks for,
    and how the prior moves first.
    """

    meanings = "Four bottoms: SSD's. Five or six: RefineDet's."
    fork = f"{FORK}; sfzhang15/RefineDet (six bottoms)"
    bottoms = between(4, 6)
    label_bottoms = frozenset({3})
    fork_options: ClassVar[Messages] = {"multibox_loss_param": {"objectness_score": 0.01}}
    options = ("multibox_loss_param", "loss_param")
    refused: ClassVar[Fields] = {
        "multibox_loss_param": ("ignore_difficult_gt",),
        "loss_param": BVLC_REFUSES,
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        p = self.param = spec.param.multibox_loss_param
        self.more = self.fork_values["multibox_loss_param"]
        if len(spec.bottoms) > 4 and not self._refines():
            raise UnsupportedLayerError(
                "five or six bottoms are RefineDet's, whose boxes are computed with share_location "
                "and use_prior_for_matching, without HARD_EXAMPLE and nms_param: change these"
            )
        self.mode = bvlc_mode(spec.param.loss_param)
        mined = p.mining_type != P.NONE
        if not p.num_classes:
            raise ShapeError("num_classes is missing or 0: say how many, the background included")
        if p.HasField("do_neg_mining") and p.do_neg_mining != mined:
            raise ShapeError(
                f"do_neg_mining: {str(p.do_neg_mining).lower()} contradicts mining_type: "
                f"{P.MiningType.Name(p.mining_type)}; remove the former"
            )
        if mined and not p.share_location:
            raise ShapeError("share_location: false takes mining_type: NONE: change one of them")
        if p.background_label_id >= p.num_classes and (mined or p.conf_loss_type == P.SOFTMAX):
            raise ShapeError(
                f"background_label_id {p.background_label_id} is none of {p.num_classes} classes: "
                f"give one of 0 to {p.num_classes - 1}"
            )
        if p.map_object_to_agnostic and p.num_classes != 2:
            raise ShapeError(
                f"map_object_to_agnostic knows objects and background, and num_classes is "
                f"{p.num_classes}: give 2"
            )
        if p.mining_type == P.HARD_EXAMPLE and p.sample_size <= 0:
            raise ShapeError(f"sample_size {p.sample_size} has to be positive")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        check_predictions(bottoms, self.param.num_classes, self.param.share_location)
        check_objects(bottoms[3], 3)
        check_refinement(bottoms, 4)
        return [()]

    def no_gradient_to(self) -> Collection[int]:
        """Return the priors, the objects, and what is refined."""
        return range(2, len(self.spec.bottoms))

    def _refines(self) -> bool:
        p = self.param
        plain = p.share_location and p.use_prior_for_matching and not p.HasField("nms_param")
        return bool(plain and p.mining_type != P.HARD_EXAMPLE)

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p, counts = self.param, list(self.spec.param.propagate_down)[:2] or [True, True]
        return multibox.MultiBoxLoss(
            multibox.MultiBox(
                classes=p.num_classes,
                background=p.background_label_id,
                code=pb.PriorBoxParameter.CodeType.Name(p.code_type),
                scaled=not p.encode_variance_in_target,
                shared=p.share_location,
                squared=p.loc_loss_type == P.L2,
                logistic=p.conf_loss_type == P.LOGISTIC,
                difficult=p.use_difficult_gt,
                overlap=p.overlap_threshold if p.match_type == P.PER_PREDICTION else None,
                by_prior=p.use_prior_for_matching,
                inside_boxes=p.ignore_cross_boundary_bbox,
                inside_sides=p.bp_inside,
                agnostic=p.map_object_to_agnostic,
                mining=self._mining(),
                normalization=self.mode,
                weights=(p.loc_weight * counts[0], float(counts[1])),
                objectness=self.more["objectness_score"],
            )
        )

    def _mining(self) -> Mining | None:
        p = self.param
        if p.mining_type == P.NONE:
            return None
        return Mining(
            everything=p.mining_type == P.HARD_EXAMPLE,
            ratio=p.neg_pos_ratio,
            overlap=p.neg_overlap,
            sample=p.sample_size,
            suppress=p.nms_param.nms_threshold if p.HasField("nms_param") else 0.0,
            among=p.nms_param.top_k,
            by_prior=p.use_prior_for_nms,
        )


def check_objects(shape: Shape, bottom: int) -> None:
    """Raise `ShapeError` unless ``shape`` is that of AnnotatedData's labels, (1, 1, rows, 8)."""
    if len(shape) != 4 or count(shape) != shape[2] * 8 or shape[3] != 8:
        raise ShapeError(
            f"bottom {bottom} is {shape}; objects are (1, 1, rows, 8): image, label, instance, "
            f"xmin, ymin, xmax, ymax, difficult"
        )


@register("DetectionEvaluate")
class DetectionEvaluate(Metric):
    """True and false positives among detections, in rows for each class and each detection.

    From detection_evaluate_layer.cpp of SSD. Boxes are compared as shares of the image;
    ``resize_param``, which Caffe reads for boxes in pixels only, has no effect.
    """

    without_effect: ClassVar[Fields] = {"detection_evaluate_param": ("resize_param",)}
    fork = FORK
    dynamic = True
    without_golden = (
        "no net of tests/golden has this layer; tests/layers/test_ssd.py holds it against loops "
        "written after the fork's source"
    )

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        p = self.param = spec.param.detection_evaluate_param
        if not p.background_label_id < p.num_classes:
            raise ShapeError(
                f"background_label_id {p.background_label_id} is none of {p.num_classes} classes: "
                f"give num_classes, the background included"
            )
        if not p.overlap_threshold > 0:
            raise ShapeError(f"overlap_threshold {p.overlap_threshold} has to be positive")
        if p.name_size_file:
            raise UnsupportedLayerError(
                f"name_size_file: {p.name_size_file} makes boxes those of pixels of the images "
                f"that it lists, as they come one by one from a database: remove it to compare "
                f"them as shares of the image"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return rows of five numbers: one a class but the background, one a detection."""
        if len(bottoms[0]) != 4 or count(bottoms[0]) != bottoms[0][2] * 7 or bottoms[0][3] != 7:
            raise ShapeError(
                f"bottom 0 is {bottoms[0]}; detections are (1, 1, rows, 7), as DetectionOutput "
                f"makes them"
            )
        check_objects(bottoms[1], 1)
        return [(1, 1, self.param.num_classes - 1 + bottoms[0][2], 5)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.param
        return evaluation.DetectionEvaluate(
            evaluation.Evaluation(
                classes=p.num_classes,
                background=p.background_label_id,
                overlap=p.overlap_threshold,
                difficult=p.evaluate_difficult_gt,
            )
        )
