"""Which layers ONNX's operators express, and which not and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import torch
from torch.export import ExportedProgram

from bigdl_caffe.errors import UnsupportedLayerError
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


def operators() -> dict[Any, Callable[..., Any]]:
    """Return torch's operators that its exporter lacks or gets wrong → what ONNX has for them."""
    import onnxscript  # of the extra "onnx"

    onnx: Any = onnxscript.opset18

    def sort_stable(x: Any, *, stable: bool, dim: int = -1, descending: bool = False) -> Any:
        # All elements by TopK: of equal ones, that with the lower index comes first.
        size = onnx.Gather(onnx.Shape(x), [dim])
        return onnx.TopK(x, size, axis=dim, largest=int(descending), sorted=1)

    def log_sigmoid(x: Any) -> Any:
        # The exporter's log of a sigmoid is minus infinity from -89 on.
        return onnx.Neg(onnx.Softplus(onnx.Neg(x)))

    return {
        torch.ops.aten.sort.stable: sort_stable,
        torch.ops.aten.log_sigmoid.default: log_sigmoid,
    }


def refuse_state(program: ExportedProgram) -> None:
    """Raise `UnsupportedLayerError` for a program that draws at random or changes its blobs."""
    for node in program.graph.nodes:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise UnsupportedLayerError("it draws at random")
    if program.graph_signature.buffers_to_mutate:
        raise UnsupportedLayerError("it changes its own blobs as it runs")


def refuse(module: CaffeNet, error: Exception, translate: Callable[..., Any]) -> NoReturn:
    """Raise for a net that cannot be translated, naming every layer that cannot.

    Parameters
    ----------
    module : CaffeNet
    error : Exception
        What translating the net ran into.
    translate : callable
        Translates a module that takes tensors of some shapes.

    Raises
    ------
    UnsupportedLayerError
        With a sentence for each layer; for the net, where every layer does by itself.
    """
    problems = list(_problems(module, translate)) or [f"the net: {_first_line(error)}"]
    raise UnsupportedLayerError(
        *(f"ONNX cannot express {problem}" for problem in problems)
    ) from error


def _problems(module: CaffeNet, translate: Callable[..., Any]) -> Iterator[str]:
    net = module.net
    modules = dict(zip((spec.writes for spec in net.layers), module.layer_modules(), strict=True))
    for spec in ancestors(net.layers, net.outputs):
        layer = modules[spec.writes]
        if layer is None:
            continue
        try:
            translate(layer, [net.shapes[value] for value in spec.reads])
        except Exception as error:  # whatever the exporter, or the layer within it, comes upon
            yield f"{spec}: {REASONS.get(type_key(spec)) or _first_line(error)}"


def _first_line(error: BaseException) -> str:
    """Return what ``error`` says first; the exporter's own errors have a cause that says more."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return (str(error) or repr(error)).splitlines()[0]
