"""What makes detections of YOLO's maps, and what judges them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.losses import Metric
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import Layer, at_least, between, register
from bigdl_caffe.layers.yolo import (
    MOBILENET_YOLO,
    WITHOUT_GOLDEN,
    biases_of,
    check_map,
    check_square,
)
from bigdl_caffe.nn import yolo_detections as modules
from bigdl_caffe.nn import yolo_evaluation as evaluation


class YoloOutput(Layer):
    """What the layers share that make detections: rows of seven numbers, whatever their number."""

    in_place = False
    dynamic = True
    without_golden = WITHOUT_GOLDEN


@register("YoloDetectionOutput")
class YoloDetectionOutput(YoloOutput):
    """Detections of YOLO's second version (yolo_detection_output_layer.cpp), batches too.

    From MobileNet-YOLO: rows hold classes from 1 on and corners, and a second bottom is a second
    map. A net with ``ssd_format``, or whose second bottom is the picture, is pull request 5906's:
    classes from 0 on and centre and size, unless ``ssd_format: true``; boxes overlap within the
    image only; without a detection there is no row. What only writes or draws
    (``label_map_file``, ``visualize``, ``visualize_threshold``, ``save_file``) is left out, and
    ``side`` is the bottom's own.
    """

    meanings = (
        "With `ssd_format`, `visualize`, `visualize_threshold` or `save_file`, or a second bottom "
        "that has another number of channels (the picture): pull request 5906's. Otherwise "
        "MobileNet-YOLO's."
    )
    without_effect: ClassVar[Fields] = {
        "yolo_detection_output_param": (
            "side",
            "label_map_file",
            "visualize",
            "visualize_threshold",
            "save_file",
        )
    }
    fork = f"{MOBILENET_YOLO}, BVLC/caffe (pull request 5906)"
    bottoms = between(1, 2)
    fork_options: ClassVar[Messages] = {
        "yolo_detection_output_param": {
            "visualize": False,
            "visualize_threshold": 0.4,
            "save_file": "",
            "ssd_format": False,
        }
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        p = self.param = spec.param.yolo_detection_output_param
        self.more = self.fork_values["yolo_detection_output_param"]
        self.other = "yolo_detection_output_param" in spec.unknown
        self.biases = biases_of(p.biases, p.num_box)
        if not p.HasField("num_classes") or p.num_classes < 1:
            raise ShapeError("num_classes is missing or 0: say how many")
        if p.coords != 4:
            raise UnsupportedLayerError(f"coords: {p.coords} is not computed by any fork: give 4")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return one row of seven numbers, as Caffe shows before a forward pass."""
        for x in self._maps(bottoms):
            check_map(x, self.param.num_box, 5 + self.param.num_classes, exact=False)
            check_square(x)
        return [(1, 1, 1, 7)]

    def _maps(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        return bottoms[:1] if self._is_other(bottoms) else bottoms

    def _is_other(self, bottoms: Sequence[Shape]) -> bool:
        """Return whether the net is pull request 5906's."""
        return self.other or (len(bottoms) > 1 and bottoms[1][1:2] != bottoms[0][1:2])

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p, rows, ssd = self.param, modules.Rows(), self.more["ssd_format"]
        if self._is_other(bottoms):
            rows = modules.Rows(first=int(ssd), corners=ssd, clip=True, filler=False)
        limits = p.confidence_threshold, p.nms_threshold
        maps = len(self._maps(bottoms))
        return modules.YoloDetections(p.num_classes, self.biases, *limits, rows, maps)

    def no_gradient_to(self) -> Collection[int]:
        """Return all bottoms."""
        return range(len(self.spec.bottoms))


@register("Yolov3DetectionOutput")
class Yolov3DetectionOutput(YoloOutput):
    """Detections of YOLO's third version (yolov3_detection_output_layer.cpp), batches too.

    ``mask`` holds the anchors of each bottom, one group after the other.
    """

    drops_gradient = range(9)  # whatever the number of maps
    fork = MOBILENET_YOLO
    bottoms = at_least(1)

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        p = self.param = spec.param.yolov3_detection_output_param
        if not p.HasField("num_classes") or p.num_classes < 1:
            raise ShapeError("num_classes is missing or 0: say how many")
        if p.gaussian_box:
            raise UnsupportedLayerError(
                "gaussian_box: true is not computed, as the fork's own code reads memory that it "
                "never writes: remove it, or pass a converter"
            )
        if p.mask_group_num != len(spec.bottoms) or len(p.anchors_scale) < len(spec.bottoms):
            raise ShapeError(
                f"{len(spec.bottoms)} bottoms, mask_group_num {p.mask_group_num} and "
                f"{len(p.anchors_scale)} anchors_scale: give as many of each"
            )
        self.anchors = [self._anchors(i) for i in range(len(spec.bottoms))]

    def _anchors(self, i: int) -> list[float]:
        """Return widths and heights of the i-th bottom's anchors, in places."""
        p = self.param
        first = i * (len(p.mask) // p.mask_group_num)
        mask = list(p.mask)[first : first + p.num_box]
        if len(mask) < p.num_box or 2 * max(mask, default=0) + 1 >= len(p.biases):
            raise ShapeError(
                f"mask {list(p.mask)} has to name {p.num_box} anchors for each of "
                f"{p.mask_group_num} bottoms, each with two of the {len(p.biases)} biases"
            )
        scale = p.anchors_scale[i]
        return [p.biases[2 * n + side] / scale for n in mask for side in (0, 1)]

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return one row of seven numbers, as Caffe shows before a forward pass."""
        for x in bottoms:
            check_map(x, self.param.num_box, 5 + self.param.num_classes)
        return [(1, 1, 1, 7)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.param
        limits = p.confidence_threshold, p.nms_threshold
        return modules.Yolov3Detections(p.num_classes, self.anchors, *limits, modules.Rows())


@register("EvalDetection")
class EvalDetection(Metric):
    """Right and wrong predictions of YOLO's second version (eval_detection_layer.cpp of Intel's).

    ``sqrt`` and ``constriant`` are not read by the fork either, nor bottoms after the second.
    """

    without_effect: ClassVar[Fields] = {"eval_detection_param": ("sqrt", "constriant")}
    fork = "intel/caffe"
    bottoms = between(2, 3)
    label_bottoms = frozenset({1, 2})
    without_golden = WITHOUT_GOLDEN

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        p = self.param = spec.param.eval_detection_param
        if p.num_object != 5:
            raise UnsupportedLayerError(
                f"num_object: {p.num_object} is not computed, as the fork goes through 5 anchors "
                f"whatever it says: give 5"
            )
        self.biases = biases_of(p.biases, p.num_object)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (n, num_class + 4 * predictions)."""
        p, x = self.param, bottoms[0]
        check_map(x, p.num_object, 5 + p.num_class)
        if x[2:] != (p.side, p.side):
            raise ShapeError(f"the bottom is {x}, and side is {p.side}: they have to go together")
        if bottoms[1][-1:] != (8,):
            raise ShapeError(f"the labels are {bottoms[1]}: give SSD's, (1, 1, boxes, 8)")
        return [(x[0], p.num_class + 4 * p.side * p.side * p.num_object)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.param
        score = pb.EvalDetectionParameter.ScoreType.Name(p.score_type)
        return evaluation.EvalDetection(p.num_class, self.biases, p.threshold, p.nms, score)
