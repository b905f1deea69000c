"""YOLO's losses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.losses import Loss
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import count, exactly, register
from bigdl_caffe.layers.yolo import MOBILENET_YOLO, biases_of, check_map, check_square
from bigdl_caffe.nn.region import FocalRegionLoss, RegionLoss, RegionOptions
from bigdl_caffe.nn.yolo_seg import YoloSegLoss
from bigdl_caffe.nn.yolov3 import Yolov3Loss, Yolov3Options


class YoloLoss(Loss):
    """What YOLO's losses share."""

    without_golden = (
        "the fork was not run; held against loops written after its source in "
        "tests/layers/test_yolo_training.py and test_yolov3.py"
    )

    def no_gradient_to(self) -> Collection[int]:
        """Return the labels."""
        return range(1, len(self.spec.bottoms))


def check_listed(x: Shape, labels: Shape) -> None:
    """Raise `ShapeError` unless there are as many lists of boxes as images."""
    if labels[:1] != x[:1] or len(labels) < 2 or labels[-1] % 5:
        raise ShapeError(
            f"the labels are {labels}; they have to be ({x[0]}, 1, boxes, 5), a row a box: class, "
            f"x, y, width, height, as AnnotatedData with yolo_data_type: 1 makes them"
        )


@register("RegionLoss")
class Region(YoloLoss):
    """The loss of YOLO's second version (region_loss_layer.cpp).

    Labels of 8 numbers a box are SSD's, and the loss then Intel's, with bounded offsets and a
    focal score; others are MobileNet-YOLO's, 5 numbers a box. ``side`` is the bottom's own;
    ``softmax``, ``jitter``, ``absolute`` and ``random`` are read by neither fork.
    """

    meanings = "Labels of 8 numbers a box: Intel's. Others, of 5 numbers a box: MobileNet-YOLO's."
    without_effect: ClassVar[Fields] = {
        "region_loss_param": ("side", "softmax", "jitter", "absolute", "random")
    }
    fork = f"{MOBILENET_YOLO}, intel/caffe"

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        p = self.param = spec.param.region_loss_param
        if p.softmax_tree or p.class_map:
            raise UnsupportedLayerError(
                f"softmax_tree {p.softmax_tree!r} and class_map {p.class_map!r} name files of "
                f"Intel's fork that are not read here: remove them, or pass a converter"
            )
        if p.coords != 4:
            raise UnsupportedLayerError(f"coords: {p.coords} is not computed by any fork: give 4")
        self.biases = tuple(biases_of(p.biases, p.num))

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        check_map(bottoms[0], self.param.num, 5 + self.param.num_class)
        check_square(bottoms[0])
        if not self._annotated(bottoms):
            check_listed(bottoms[0], bottoms[1])
        return [()] * len(self.spec.tops)  # SSD's labels have no row an image, as other losses ask

    @staticmethod
    def _annotated(bottoms: Sequence[Shape]) -> bool:
        return bottoms[1][-1:] == (8,)

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.param
        options = RegionOptions(
            classes=p.num_class,
            biases=self.biases,
            threshold=p.thresh,
            objects=p.object_scale,
            nothing=p.noobject_scale,
            kinds=p.class_scale,
            boxes=p.coord_scale,
            by_anchor=bool(p.bias_match),
            rescore=bool(p.rescore),
        )
        return (FocalRegionLoss if self._annotated(bottoms) else RegionLoss)(options)


@register("Yolov3")
class Yolov3(YoloLoss):
    """The loss of YOLO's third version (yolov3_layer.cpp of MobileNet-YOLO).

    ``side`` is the bottom's own, and ``noobject_scale`` is not read by the fork.
    """

    without_effect: ClassVar[Fields] = {"yolov3_param": ("side", "noobject_scale")}
    fork = MOBILENET_YOLO

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        p = self.param = spec.param.yolov3_param
        self.mask = tuple(p.mask)[: p.num]
        anchors = len(p.biases) // 2
        if len(self.mask) < max(p.num, 1) or max(self.mask) >= anchors:
            raise ShapeError(
                f"mask {list(p.mask)} has to name {p.num} of the {anchors} anchors that the "
                f"{len(p.biases)} biases make: correct mask, num or biases"
            )
        if not p.anchors_scale:
            raise ShapeError("anchors_scale is 0: give how many pixels lie from place to place")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        check_map(bottoms[0], len(self.mask), 5 + self.param.num_class)
        check_listed(bottoms[0], bottoms[1])
        return super().top_shapes(bottoms)

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.param
        options = Yolov3Options(
            classes=p.num_class,
            biases=tuple(p.biases)[: len(p.biases) // 2 * 2],
            mask=self.mask,
            unit=p.anchors_scale,
            threshold=p.thresh,
            also=p.iou_thresh,
            objects=p.object_scale,
            kinds=p.class_scale,
            boxes=p.coord_scale,
            smooth=p.label_smooth_eps,
            focal=p.use_focal_loss,
            slopes=p.use_logic_gradient,
            measure=pb.Yolov3Parameter.IOU_LOSS.Name(p.iou_loss),
            normalizer=p.iou_normalizer,
            most=p.max_delta,
            accumulate=p.accumulate,
        )
        return Yolov3Loss(options)


@register("YoloSeg")
class YoloSeg(YoloLoss):
    """Squared distances of sigmoids from a segmentation (yolo_seg.cpp of MobileNet-YOLO).

    ``num_class``, ``class_scale``, ``use_logic_gradient`` and ``use_hardsigmoid`` are read by
    the fork, but never used.
    """

    without_effect: ClassVar[Fields] = {
        "yolo_seg_param": ("num_class", "class_scale", "use_logic_gradient", "use_hardsigmoid")
    }
    fork = MOBILENET_YOLO
    bottoms = exactly(3)
    label_bottoms = frozenset({1, 2})

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        x, labels, counts = bottoms
        labelled = len(x) == 4 and count(labels) == count(x)
        if not labelled or counts[:1] != x[:1] or count(counts) != count(x[:2]):
            raise ShapeError(
                f"the bottoms are {x}, {labels} and {counts}; they have to be scores (n, classes, "
                f"h, w), as many labels, and counts (n, classes)"
            )
        return super().top_shapes(bottoms)

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return YoloSegLoss(self.spec.param.yolo_seg_param.object_scale)
