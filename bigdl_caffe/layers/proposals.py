"""Region proposals: Faster R-CNN's Python layer, and the C++ layer of PVANet's Caffe."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.param_str import python_options
from bigdl_caffe.layers.registry import Layer, between, count, exactly, register
from bigdl_caffe.nn.anchors import base_anchors
from bigdl_caffe.nn.proposals import Proposals, Selection


def python_anchors(spec: LayerDef, **more: float) -> tuple[dict[str, Any], Tensor]:
    """Return the ``param_str`` of a layer with anchors, defaults filled in, and the anchors.

    Parameters
    ----------
    spec : LayerDef
        A layer of py-faster-rcnn.
    **more : float
        Options that it takes besides ``feat_stride``, ``scales`` and ``ratios``.
    """
    defaults = {"feat_stride": 0, "scales": [8, 16, 32], "ratios": [0.5, 1, 2], **more}
    options = python_options(spec, defaults)
    return options, anchors(16, options["ratios"], options["scales"])


def anchors(size: int, ratios: list[Any], scales: list[Any], half_up: bool = False) -> Tensor:
    """Return `base_anchors`, or raise `ShapeError` where ratios or scales make none."""
    if not all(isinstance(n, int | float) and n > 0 for n in (size, *ratios, *scales)):
        raise ShapeError(
            f"anchors of size {size}, ratios {ratios} and scales {scales} have to be positive "
            f"numbers: correct them"
        )
    if not ratios or not scales:
        raise ShapeError(f"there are {len(ratios)} ratios and {len(scales)} scales: give both")
    return base_anchors(size, ratios, scales, half_up)


class ProposalBase(Layer):
    """What the proposal layers share: scores, offsets and image sizes in, rois and scores out."""

    bottoms = exactly(3)
    tops = between(1, 2)
    in_place = False
    dynamic = True
    without_golden = (
        "the fork was not run; held against loops written after its source in "
        "tests/layers/test_proposals.py"
    )

    column: ClassVar[bool]
    """Whether the scores are (proposals, 1), and not (proposals)."""

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.stride, self.select, self.anchors = self.read()
        limits = (self.stride, self.select.before, self.select.after)
        if min(limits) < 1:
            raise ShapeError(
                f"feat_stride is {limits[0]}, and {limits[1]} boxes go into suppression and "
                f"{limits[2]} come out: each has to be at least 1"
            )

    def read(self) -> tuple[int, Selection, Tensor]:
        """Return the stride, which boxes to keep, and the anchors around the first place."""
        raise NotImplementedError

    def check(self, bottoms: Sequence[Shape]) -> None:
        """Raise `ShapeError` unless the bottoms are as the anchors ask for."""
        scores, offsets, info = bottoms
        n = len(self.anchors)
        wanted = [(*scores[:1], numbers * n, *scores[2:]) for numbers in (2, 4)]
        if len(scores) != 4 or wanted != [scores, offsets]:
            raise ShapeError(
                f"the bottoms are {scores} and {offsets}; {n} anchors take (n, {2 * n}, h, w) and "
                f"(n, {4 * n}, h, w): change scales or ratios"
            )
        if info[:1] not in (scores[:1], (1,)) or count(info[1:]) < 3:
            raise ShapeError(
                f"the image sizes are {info}; they have to be (n, 3): height, width and scale of "
                f"each of the {scores[0]} images"
            )

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        scores = len(self.spec.tops) > 1
        return Proposals(self.anchors, self.stride, self.select, self.column, scores)


@register("Proposal")
class Proposal(ProposalBase):
    """Rois from the scores and offsets of anchors (proposal_layer.cpp of PVANet's Caffe).

    Boxes that are too small keep their place with a score of 0. A fourth number in an image's
    row is its scale in width, where that is another than in height. The fork reads the first
    image's row for all; here each image has its own.
    """

    fork = "sanghoon/caffe (PVANet)"
    column = False
    fork_options: ClassVar[Messages] = {
        "proposal_param": {
            **{"feat_stride": 16, "base_size": 16, "min_size": 16, "ratio": [], "scale": []},
            **{"pre_nms_topn": 6000, "post_nms_topn": 300, "nms_thresh": 0.7},
        }
    }

    def read(self) -> tuple[int, Selection, Tensor]:
        """Read proposal_param, which the schema does not know."""
        p = self.fork_values["proposal_param"]
        limits = (p["pre_nms_topn"], p["post_nms_topn"], p["nms_thresh"], p["min_size"])
        reference = anchors(p["base_size"], p["ratio"], p["scale"], half_up=True)
        return p["feat_stride"], Selection(*limits, drop_small=False), reference

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the most rois there can be: (n * post_nms_topn, 5), and a score each."""
        self.check(bottoms)
        most = bottoms[0][0] * self.select.after
        return [(most, 5), (most,)][: len(self.spec.tops)]

    def no_gradient_to(self) -> Collection[int]:
        """Return all bottoms."""
        return range(3)


@register("rpn.proposal_layer.ProposalLayer")
class ProposalLayer(ProposalBase):
    """Rois from the scores and offsets of anchors (rpn/proposal_layer.py of py-faster-rcnn).

    ``param_str`` holds ``feat_stride``, and may hold ``scales`` and ``ratios``. How many boxes
    it takes and gives is no part of a net: py-faster-rcnn has it in config.py, and this class
    in ``SELECT``, which a subclass given as converter may change. The original takes one image.
    A gradient that reaches the layer ends there, as in Caffe, without an error.
    """

    drops_gradient = (0, 1, 2)
    fork = "rbgirshick/py-faster-rcnn"
    column = True
    SELECT: ClassVar[Mapping[str, Selection]] = {
        "TEST": Selection(6000, 300, 0.7, 16),
        "TRAIN": Selection(12000, 2000, 0.7, 16),
    }

    def read(self) -> tuple[int, Selection, Tensor]:
        """Read param_str."""
        p, reference = python_anchors(self.spec)
        return p["feat_stride"], self.SELECT[self.phase], reference

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (1, 5) and (1, 1, 1, 1), as the layer says before its first forward pass."""
        self.check(bottoms)
        return [(1, 5), (1, 1, 1, 1)][: len(self.spec.tops)]
