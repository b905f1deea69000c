"""What SSD adds to a network: priors, and the layer that makes detections of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import inf, sqrt
from typing import ClassVar

import torch
from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import INT_MAX, LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import Layer, between, count, exactly, register
from bigdl_caffe.nn import detections
from bigdl_caffe.nn import ssd as modules

FORK = "weiliu89/caffe (ssd branch)"


@register("PriorBox")
class PriorBox(Layer):
    """Boxes of given sizes and shapes around each place of a feature map.

    From prior_box_layer.cpp of SSD, which cuts sizes to whole pixels. The second bottom is the
    image, of which only the size counts; ``img_size`` or ``img_h`` and ``img_w`` stand in for it.
    """

    drops_gradient = (0, 1)
    fork = FORK
    bottoms = exactly(2)
    in_place = False
    fork_options: ClassVar[Messages] = {"prior_box_param": {}}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        p = self.param = spec.param.prior_box_param
        if not p.min_size or not all(0 < size <= INT_MAX for size in (*p.min_size, *p.max_size)):
            raise ShapeError(
                f"min_size is {list(p.min_size)} and max_size {list(p.max_size)}: give one "
                f"min_size or more, and none beyond 0 to {INT_MAX}"
            )
        if p.max_size and len(p.max_size) != len(p.min_size):
            raise ShapeError(
                f"{len(p.max_size)} max_size for {len(p.min_size)} min_size: give one each, or none"
            )
        if any(big <= small for small, big in zip(p.min_size, p.max_size, strict=False)):
            raise ShapeError(
                f"max_size {list(p.max_size)} has to be greater than min_size {list(p.min_size)}"
            )
        if len(p.variance) not in (0, 1, 4) or not all(v > 0 for v in p.variance):
            raise ShapeError(
                f"variance is {list(p.variance)}: give none, one or four, all positive"
            )
        self.priors = modules.Priors(
            boxes=tuple(_sizes(p)),
            variance=tuple(p.variance) or (0.1,),
            image=_pair(p, "img", "img_size"),
            step=_pair(p, "step", "step"),
            offset=p.offset,
            clip=p.clip,
        )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (1, 2, 4 * boxes)."""
        for i, shape in enumerate(bottoms):
            if len(shape) > 4:
                raise ShapeError(
                    f"bottom {i} is {shape}; PriorBox takes at most 4 axes: reshape it"
                )
        places = count(bottoms[0][2:])
        if not 0 < places * len(self.priors.boxes) * 4 <= INT_MAX:
            raise ShapeError(
                f"bottom 0 is {bottoms[0]}, and {len(self.priors.boxes)} boxes for each of its "
                f"{places} places are none, or more than {INT_MAX} numbers: feed another size"
            )
        return [(1, 2, places * len(self.priors.boxes) * 4)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.PriorBox(self.priors)


def _sizes(p: pb.PriorBoxParameter) -> list[tuple[float, float]]:
    """Return (width, height) of a place's boxes: square ones first, then by aspect ratio."""
    boxes: list[tuple[float, float]] = []
    ratios = _ratios(p)
    for i, least in enumerate(map(int, p.min_size)):
        squares = [float(least)]
        if p.max_size:
            squares.append(sqrt(least * int(p.max_size[i])))
        boxes += [(side, side) for side in squares]
        boxes += [(least * sqrt(ratio), least / sqrt(ratio)) for ratio in ratios]
    return boxes


def _ratios(p: pb.PriorBoxParameter) -> list[float]:
    """Return the aspect ratios besides 1, each new one followed by its inverse with ``flip``."""
    seen = [1.0]
    for ratio in p.aspect_ratio:
        if not 0 < ratio < inf:
            raise ShapeError(f"aspect_ratio {ratio} is no positive number: remove it")
        if all(abs(ratio - other) >= 1e-6 for other in seen):
            seen += [ratio, 1 / ratio] if p.flip else [ratio]
    return seen[1:]


def _pair(p: pb.PriorBoxParameter, name: str, square: str) -> tuple[float, float] | None:
    """Return (width, height) of the image or the step, None where neither is given."""
    given = [f for f in (f"{name}_w", f"{name}_h", square) if p.HasField(f)]
    if not given:
        return None
    if square in given and len(given) > 1:
        raise ShapeError(f"give either {square}, or both {name}_h and {name}_w")
    width, height = (square, square) if square in given else (f"{name}_w", f"{name}_h")
    if not (getattr(p, width) > 0 and getattr(p, height) > 0):
        raise ShapeError(
            f"{width} {getattr(p, width)} and {height} {getattr(p, height)} have to "
            f"be positive: give both"
        )
    return getattr(p, width), getattr(p, height)


@register("DetectionOutput")
class DetectionOutput(Layer):
    """Boxes of a location and a confidence blob after non-maximum suppression, batches too.

    From detection_output_layer.cpp of SSD. Rows go by image, class and falling score, and equal
    scores as Caffe's own sort leaves them. What it writes to files (``save_output_param``) and
    draws on a screen (``visualize``, ``visualize_threshold``, ``save_file``, a fourth bottom) is
    left out: none of it changes a number of the top. Five bottoms make it that of RefineDet: the
    fourth and fifth say of each prior whether there is an object, and how the prior moves first.
    """

    meanings = "Three bottoms: SSD's; a fourth is the picture it draws on. Five: RefineDet's."
    without_effect: ClassVar[Fields] = {
        "detection_output_param": (
            "save_output_param",
            "visualize",
            "visualize_threshold",
            "save_file",
        )
    }
    fork = f"{FORK}; sfzhang15/RefineDet (five bottoms)"
    bottoms = between(3, 5)
    in_place = False
    dynamic = True
    fork_options: ClassVar[Messages] = {
        "detection_output_param": {
            "objectness_score": 0.01,
            "nms_param": {"soft_nms": False, "theta": 0.0},
        }
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        p = self.param = spec.param.detection_output_param
        self.more = self.fork_values["detection_output_param"]
        if self.more["nms_param"]["soft_nms"]:
            raise UnsupportedLayerError("soft_nms: true is a fork's and not computed: remove it")
        if not p.num_classes:
            raise ShapeError("num_classes is missing or 0: say how many, the background included")
        if p.share_location and p.background_label_id == -1:
            raise ShapeError(
                "background_label_id -1 cannot be told from boxes that all classes share: give "
                "another, or share_location: false"
            )
        if not (p.nms_param.nms_threshold >= 0 and 0 < p.nms_param.eta <= 1):
            raise ShapeError(
                f"nms_threshold {p.nms_param.nms_threshold} has to be 0 or more, and eta "
                f"{p.nms_param.eta} within (0, 1]"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return one row of seven numbers, Caffe's own before it has seen data."""
        check_predictions(bottoms, self.param.num_classes, self.param.share_location)
        if len(bottoms) == 5:
            check_refinement(bottoms, 3)
        elif len(bottoms) == 4 and len(bottoms[3]) != 4:
            raise ShapeError(f"bottom 3 is {bottoms[3]}; a fourth bottom is the image: remove it")
        return [(1, 1, 1, 7)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.param
        limited = p.HasField("confidence_threshold")
        return detections.DetectionOutput(
            detections.Selection(
                classes=p.num_classes,
                background=p.background_label_id,
                confidence=p.confidence_threshold if limited else torch.finfo(torch.float32).min,
                overlap=p.nms_param.nms_threshold,
                eta=p.nms_param.eta,
                per_class=p.nms_param.top_k if p.nms_param.HasField("top_k") else -1,
                per_image=p.keep_top_k,
                objectness=self.more["objectness_score"] if len(bottoms) == 5 else None,
            ),
            pb.PriorBoxParameter.CodeType.Name(p.code_type),
            shared=p.share_location,
            scaled=not p.variance_encoded_in_target,
        )

    def no_gradient_to(self) -> Collection[int]:
        """Return all bottoms."""
        return range(len(self.spec.bottoms))


def check_predictions(bottoms: Sequence[Shape], classes: int, shared: bool) -> None:
    """Raise `ShapeError` unless locations, confidences and priors go with each other.

    Parameters
    ----------
    bottoms : sequence of Shape
        (n, priors * 4) or (n, priors * classes * 4), (n, priors * classes), (1, 2, priors * 4).
    classes : int
        The background included.
    shared : bool
        Whether all classes share one box a prior.
    """
    loc, conf, prior = bottoms[:3]
    if len(prior) < 3 or prior[1] != 2 or count(prior[3:]) != 1:
        raise ShapeError(f"bottom 2 is {prior}; PriorBox makes (1, 2, 4 * priors)")
    priors = prior[2] // 4
    for i, what, each in ((0, "locations", 4 if shared else 4 * classes), (1, "scores", classes)):
        shape = bottoms[i]
        if len(shape) < 2 or shape[1] != priors * each or count(shape[2:]) != 1:
            raise ShapeError(
                f"bottom {i} is {shape}; {priors} priors and {classes} classes take {each} {what} "
                f"a prior, (n, {priors * each}): num_classes, share_location or the priors differ"
            )
    if loc[0] != conf[0]:
        raise ShapeError(f"bottom 0 holds {loc[0]} images and bottom 1 {conf[0]}: feed as many")


def check_refinement(bottoms: Sequence[Shape], first: int) -> None:
    """Raise `ShapeError` unless two numbers and a box for each prior start at bottom ``first``."""
    images, priors = bottoms[0][0], bottoms[2][2] // 4
    for i, each in zip(range(first, len(bottoms)), (2, 4), strict=False):
        if tuple(bottoms[i][:2]) != (images, priors * each) or count(bottoms[i][2:]) != 1:
            raise ShapeError(
                f"bottom {i} is {bottoms[i]}; RefineDet's are {(images, priors * each)} for "
                f"{images} images of {priors} priors"
            )
