"""The Python layers that train Faster R-CNN and R-FCN.

What py-faster-rcnn keeps in config.py stands in class attributes here, with the values of its
end-to-end training (experiments/cfgs/faster_rcnn_end2end.yml); a subclass that is given as a
converter may change them. A gradient that reaches these layers ends at them, as in Caffe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.param_str import python_options
from bigdl_caffe.layers.proposals import python_anchors
from bigdl_caffe.layers.registry import Layer, Role, between, count, exactly, register
from bigdl_caffe.nn.targets import AnchorTargets, ProposalTargets, Sampling

FORK = "rbgirshick/py-faster-rcnn"
WITHOUT_GOLDEN = (
    "it draws at random, and the fork was not run; held against loops written after its source "
    "in tests/layers/test_rcnn_training.py"
)


def _classes(spec: LayerDef) -> int:
    classes = int(python_options(spec, {"num_classes": 0})["num_classes"])
    if classes < 2:
        raise ShapeError(f"num_classes is {classes}; it counts the background, too: give 2 or more")
    return classes


@register("roi_data_layer.layer.RoIDataLayer")
class RoIDataLayer(Layer):
    """Images with their boxes, fed by the caller (roi_data_layer/layer.py of py-faster-rcnn).

    Tops: data, im_info (height, width, scale) and gt_boxes (x1, y1, x2, y2, class) where the
    net proposes regions itself; otherwise data, rois, labels and, with box regression,
    targets and their weights inside and outside of the loss.
    """

    role = Role.INPUT
    bottoms = exactly(0)
    tops = between(3, 6)
    fork = FORK
    without_golden = "it reads images of a database that only py-faster-rcnn makes; here it is fed"
    IMAGE: ClassVar[Shape] = (3, 600, 1000)
    """Channels, and the sizes that the shorter side is scaled to and the longer must not exceed."""

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.classes = _classes(spec)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return one image and one box of each kind; input_shapes can say other numbers."""
        if len(self.spec.tops) == 3 and "rois" not in self.spec.tops:
            return [(1, *self.IMAGE), (1, 3), (1, 5)]
        regression: list[Shape] = [(1, 4 * self.classes)] * 3
        shapes = [(2, *self.IMAGE), (1, 5), (1,), *regression]
        if len(self.spec.tops) not in (3, 6):
            raise ShapeError(
                f"{len(self.spec.tops)} tops: it makes data, im_info and gt_boxes, or data, rois "
                f"and labels, or these with three more for box regression"
            )
        return shapes[: len(self.spec.tops)]


@register("rpn.anchor_target_layer.AnchorTargetLayer")
class AnchorTargetLayer(Layer):
    """Labels and offsets for a sample of anchors (rpn/anchor_target_layer.py of py-faster-rcnn).

    ``param_str`` holds ``feat_stride``, and may hold ``scales``, ``ratios`` and
    ``allowed_border``. One image a batch, as the true boxes do not say whose they are.
    """

    drops_gradient = (0, 1, 2, 3)
    bottoms = exactly(4)
    tops = exactly(4)
    in_place = False
    fork = FORK
    without_golden = WITHOUT_GOLDEN
    SAMPLING: ClassVar[Sampling] = Sampling(256, 0.5, 0.7, (0.0, 0.3))

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        options, self.anchors = python_anchors(spec, allowed_border=0.0)
        self.stride, self.border = options["feat_stride"], options["allowed_border"]
        if self.stride < 1:
            raise ShapeError(f"feat_stride is {self.stride}: give at least 1")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (1, 1, anchors * h, w), and three times (1, 4 * anchors, h, w)."""
        scores, boxes, info, _ = bottoms
        if len(scores) != 4 or scores[0] != 1 or count(boxes[1:]) != 5 or count(info) < 2:
            raise ShapeError(
                f"the bottoms are {scores}, {boxes} and {info}; it takes the scores of one image "
                f"(1, channels, h, w), true boxes (n, 5) and im_info (1, 3)"
            )
        anchors, (height, width) = len(self.anchors), scores[2:]
        rest: list[Shape] = [(1, 4 * anchors, height, width)] * 3
        return [(1, 1, anchors * height, width), *rest]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return AnchorTargets(self.anchors, self.stride, self.border, self.SAMPLING)


@register("rpn.proposal_target_layer.ProposalTargetLayer")
class ProposalTargetLayer(Layer):
    """A sample of rois with labels and offsets (rpn/proposal_target_layer.py of py-faster-rcnn).

    ``param_str`` holds ``num_classes``. Where it is 2, all objects are of one class, as in
    py-R-FCN's training without classes. Tops have four axes, as R-FCN's nets need them; those of
    Faster R-CNN, which made fewer, take them as well. One image a batch, as for the anchors.
    """

    drops_gradient = (0, 1)
    bottoms = exactly(2)
    tops = exactly(5)
    in_place = False
    dynamic = True
    fork = f"{FORK}, YuwenXiong/py-R-FCN"
    without_golden = WITHOUT_GOLDEN
    SAMPLING: ClassVar[Sampling] = Sampling()

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.classes = _classes(spec)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return room for one roi, as the layer says before its first forward pass."""
        if any(count(shape[1:]) != 5 for shape in bottoms):
            raise ShapeError(
                f"the bottoms are {bottoms[0]} and {bottoms[1]}; it takes rois (image, x1, y1, "
                f"x2, y2) and true boxes (x1, y1, x2, y2, class): (n, 5) each"
            )
        return [(1, numbers, 1, 1) for numbers in (5, 1, *[4 * self.classes] * 3)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return ProposalTargets(self.classes, self.SAMPLING)
