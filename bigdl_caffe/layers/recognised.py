"""Types that are known by name and not computed: what they are, and what to do instead.

Where the shapes of their tops are known, nets with them load; losses, metrics and sinks
among them then fall away for scoring, inputs are fed, and only who asks for what they
compute meets the reason. Who trains with one that has no tops does so at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.registry import Arity, Layer, Role, at_least, between, exactly, register

DETECTNET = "caffe.layers.detectnet"
Shapes = Callable[[Sequence[Shape]], list[Shape]]


@dataclass(frozen=True)
class Known:
    """A type that is not computed.

    Attributes
    ----------
    type, fork : str
        As in the prototxt, and whose it is; "" for BVLC Caffe's.
    what : str
        What it computes, for the table of types.
    reason, remedy : str
        Why it is not computed, and what to do.
    role : Role
        What it is for.
    bottoms, tops : Arity
        How many blobs it takes and makes.
    shapes : callable or None
        The shapes of its tops by those of its bottoms; None where they are not known, so that
        no net with it loads.
    """

    type: str
    fork: str
    what: str
    reason: str
    remedy: str
    role: Role
    bottoms: Arity
    tops: Arity
    shapes: Shapes | None = None

    @property
    def why(self) -> str:
        """The words of the error."""
        return f"{self.type} is known and not computed: {self.reason}; {self.remedy}"


TYPES = (
    Known(
        "Recurrent",
        "",
        "The base of RNN and LSTM, which no net can name (recurrent_layer.cpp).",
        "it is what RNN and LSTM share, and Caffe's own factory has no layer of that name",
        "name one of those",
        Role.COMPUTE,
        at_least(0),
        at_least(0),
    ),
    Known(
        "LS",
        "BVLC/caffe, pull request 2565",
        "Sets its blob to the least squares solution from the first bottom to the second "
        "(ls_layer.cpp).",
        "it learns in the forward pass, in place of a solver",
        "train the InnerProduct that shares its blob, or load the net in the TEST phase",
        Role.METRIC,
        exactly(2),
        exactly(0),
        lambda bottoms: [],
    ),
    Known(
        "DetectNetTransformation",
        "NVIDIA/caffe",
        "Pictures and boxes to pictures, changed at random, and maps of coverage "
        "(detectnet_transform_layer.cpp).",
        "what it does to a picture is drawn at random",
        "feed its tops by an Input layer in its place",
        Role.COMPUTE,
        exactly(2),
        exactly(2),
    ),
    Known(
        f"{DETECTNET}.clustering.ClusterDetections",
        "NVIDIA/caffe",
        "Boxes of a map of coverage and a map of corners, grouped (clustering.py).",
        "OpenCV's groupRectangles groups the boxes, and how is no part of the net",
        "stop the net at the coverage and the corners by outputs=[...], and group those",
        Role.COMPUTE,
        exactly(2),
        at_least(1),
    ),
    Known(
        f"{DETECTNET}.clustering.ClusterGroundtruth",
        "NVIDIA/caffe",
        "The true boxes of a map of coverage and a map of corners (clustering.py).",
        "it serves only to score what ClusterDetections groups",
        "stop the net at the coverage and the corners by outputs=[...]",
        Role.COMPUTE,
        exactly(2),
        at_least(1),
    ),
    Known(
        f"{DETECTNET}.mean_ap.ScoreDetections",
        "NVIDIA/caffe",
        "Which boxes are found, missed or made up (mean_ap.py).",
        "it scores what ClusterDetections groups, which is not computed",
        "score the boxes outside of the net",
        Role.METRIC,
        exactly(2),
        exactly(1),
        lambda bottoms: [(bottoms[0][0], 50, 5)],
    ),
    Known(
        f"{DETECTNET}.mean_ap.mAP",
        "NVIDIA/caffe",
        "Mean average precision, precision and recall of boxes (mean_ap.py).",
        "it scores what ClusterDetections groups, which is not computed",
        "score the boxes outside of the net",
        Role.METRIC,
        between(1, 2),
        exactly(3),
        lambda bottoms: [(1,)] * 3,
    ),
    Known(
        "AssistedExcitation",
        "eric612/MobileNet-YOLO",
        "The bottom and, where there are objects, some of its mean "
        "(assisted_excitation_layer.cpp).",
        "how much it adds depends on the solver's iteration, and is nothing at the last",
        "load the net without it, which is what it comes to in the end",
        Role.COMPUTE,
        exactly(3),
        exactly(1),
    ),
    Known(
        "SegmentationEvaluate",
        "eric612/MobileNet-YOLO",
        "Intersection over union of each channel (segmentation_evaluate_layer.cpp).",
        "it compares maps that OpenCV shrinks in 8 bits, and those of the first image only",
        "ask for its first bottom, and compare outside of the net",
        Role.METRIC,
        exactly(2),
        exactly(1),
        lambda bottoms: [(1, 1, 1, bottoms[1][1])],
    ),
    Known(
        "SaliencyPooling",
        "BVLC/caffe, pull request 6194",
        "Pooling of a map by how much another map says of each place (saliency_pooling_layer.cu).",
        "it has code for the GPU only, of which the versions compute different things, most at "
        "random",
        "pass a converter for the version that the net was trained with",
        Role.COMPUTE,
        exactly(2),
        between(1, 2),
    ),
    Known(
        "RBMInnerProduct",
        "BVLC/caffe, pull request 3568",
        "A restricted Boltzmann machine (rbm_inner_product_layer.cpp).",
        "it samples its hidden units, learns in the forward pass, and builds layers inside itself",
        "put an InnerProduct and a Sigmoid with its weights in its place, or pass a converter",
        Role.COMPUTE,
        at_least(1),
        at_least(1),
    ),
)


class Recognised(Layer):
    """What these types share."""

    known: ClassVar[Known]
    options = ()
    in_place = False
    without_golden = "It is refused, and not computed."

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        unasked = phase == "TRAIN" and not spec.tops  # what it does would be left out in silence
        if self.known.shapes is None or unasked:
            raise UnsupportedLayerError(self.known.why)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the shapes by the table's rule."""
        return self.known.shapes(bottoms) if self.known.shapes else []

    def no_gradient_to(self) -> Collection[int]:
        """Return all bottoms."""
        return range(len(self.spec.bottoms))

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Refuse, with the reason and what to do."""
        raise UnsupportedLayerError(self.known.why)


def _class(known: Known) -> type[Recognised]:
    members = {"__doc__": known.what, "known": known, "__module__": __name__}
    members |= {name: getattr(known, name) for name in ("role", "fork", "bottoms", "tops")}
    return type(known.type, (Recognised,), members)


for known in TYPES:
    register(known.type)(_class(known))
