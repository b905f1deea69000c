"""Types that are known by name and not computed: what they are, and what to do instead.

Where the shapes of their tops are known, nets with them load; losses, metrics and sinks
among them then fall away for scoring, inputs are fed, and only who asks for what they
compute meets the reason. Who trains with one that has no tops does so at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.registry import Arity, Layer, Role, at_least, exactly, register

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

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Refuse, with the reason and what to do."""
        raise UnsupportedLayerError(self.known.why)


def _class(known: Known) -> type[Recognised]:
    members = {"__doc__": known.what, "known": known, "__module__": __name__}
    members |= {name: getattr(known, name) for name in ("role", "fork", "bottoms", "tops")}
    return type(known.type, (Recognised,), members)


for known in TYPES:
    register(known.type)(_class(known))
