"""Which layers ONNX cannot express, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple, NoReturn

from torch import Tensor, nn

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.export.onnx_translate import trace, translate
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.graph.slice import ancestors
from bigdl_caffe.layers.registry import type_key
from bigdl_caffe.nn.net import CaffeNet

BOXES = "it picks boxes one by one; outputs=[...] stops the net before it"
TRANSITIONS = "it sums over ways to read a sequence, for which ONNX has no operator"

REASONS = {
    "BatchNorm": "it keeps statistics of each batch; use_global_stats, as for TEST, does not",
    "CTCLoss": TRANSITIONS,
    "CtcLoss": TRANSITIONS,
    "DetectionOutput": BOXES,
    "MultiBoxLoss": "it matches boxes and mines examples one by one, for training",
    "MultiStageMeanfield": "it filters over a lattice that is built of the image's own colours",
    "Proposal": BOXES,
    "ROIPooling": "it cuts out regions whose sizes only the data tell",
    "SpatialPyramidPooling": "its grids are cut as those of ROIPooling are",
    "YoloDetectionOutput": BOXES,
    "Yolov3DetectionOutput": BOXES,
    "rpn.proposal_layer.ProposalLayer": BOXES,
}
"""Layer types that are refused → why. Of others, the exporter's own words are given."""


def refuse(net: CaffeNet, error: Exception) -> NoReturn:
    """Raise for a net that cannot be translated, naming every layer that cannot.

    Parameters
    ----------
    net : CaffeNet
    error : Exception
        What translating the whole net ran into.

    Raises
    ------
    UnsupportedLayerError
        With a sentence for each layer; for the net, where every layer does by itself.
    """
    parts = _parts(net)
    errors = [_error(trace, part.module, part.shapes) for part in parts]
    traced = [part for part, found in zip(parts, errors, strict=True) if not found]
    shapes = [shape for part in traced for shape in part.shapes]
    if _error(translate, _Side(traced), shapes):  # else none fails: one by one takes long
        errors = [
            found or _error(translate, part.module, part.shapes)
            for part, found in zip(parts, errors, strict=True)
        ]
    problems = [
        f"{part.spec}: {REASONS.get(type_key(part.spec)) or _said(found)}"
        for part, found in zip(parts, errors, strict=True)
        if found
    ]
    problems = problems or [f"the net: {_said(error)}"]
    raise UnsupportedLayerError(*(f"ONNX cannot express {what}" for what in problems)) from error


class _Part(NamedTuple):
    """A layer by itself: its module, and the shapes of what it reads."""

    spec: LayerDef
    module: nn.Module
    shapes: tuple[Shape, ...]


def _parts(net: CaffeNet) -> list[_Part]:
    """Return what the net's outputs need, but for what the caller feeds."""
    modules = {
        spec.writes: module
        for spec, module in zip(net.net.layers, net.layer_modules(), strict=True)
    }
    return [
        _Part(spec, module, tuple(net.net.shapes[value] for value in spec.reads))
        for spec in ancestors(net.net.layers, net.net.outputs)
        if (module := modules[spec.writes]) is not None
    ]


class _Side(nn.Module):
    """Modules side by side, each on the next ones of the tensors."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(part.module for part in parts)
        self.counts = [len(part.shapes) for part in parts]

    def forward(self, *bottoms: Tensor) -> list[Any]:
        rest = iter(bottoms)
        return [part(*islice(rest, n)) for part, n in zip(self.parts, self.counts, strict=True)]


def _error(
    how: Callable[[nn.Module, Sequence[Shape]], object], module: nn.Module, shapes: Sequence[Shape]
) -> Exception | None:
    """Return what stands against ``how``, which raises whatever it comes upon."""
    try:
        how(module, shapes)
    except Exception as error:
        return error
    return None


def _said(error: BaseException) -> str:
    """Return what ``error`` says first; of the exporter's own, the cause says more."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return (str(error) or repr(error)).splitlines()[0]
