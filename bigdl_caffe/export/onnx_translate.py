"""Modules in ONNX's operators: torch's exporter, and what it lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from bigdl_caffe.errors import UnsupportedLayerError

BATCH = "batch"
"""What a file calls the first axis of its inputs, where any number of rows will do."""


def trace(
    module: nn.Module, shapes: Sequence[Sequence[int]], any_batch: bool = False
) -> ExportedProgram:
    """Return what ``module`` does with tensors of ``shapes``, in torch's operators.

    Raises
    ------
    Exception
        Of any type: torch's, and what it meets in the module's code.
    """
    like = next(module.parameters(), torch.empty(0))
    bottoms = tuple(torch.zeros(shape).to(like) for shape in shapes)
    batch = torch.export.Dim(BATCH)
    rows = (({0: batch},) * len(bottoms),) if any_batch else None
    with torch.no_grad():  # functions with a gradient of their own are just what they compute
        return torch.export.export(module, bottoms, dynamic_shapes=rows, strict=False)


def translate(
    module: nn.Module, shapes: Sequence[Sequence[int]], any_batch: bool = False, **how: Any
) -> Any:
    """Return the same in ONNX's operators, as the exporter's ONNXProgram. Raises alike."""
    rows = (({0: BATCH},) * len(shapes),) if any_batch else None
    traced = trace(module, shapes, any_batch)
    with torch.no_grad():
        program: Any = torch.onnx.export(
            traced,
            dynamo=True,
            verbose=False,
            dynamic_shapes=rows,
            custom_translation_table=_operators(),
            **how,
        )
    _refuse_state(program.exported_program)
    return program


def _operators() -> dict[Any, Callable[..., Any]]:
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


def _refuse_state(program: ExportedProgram) -> None:
    """Raise `UnsupportedLayerError` for a program that draws at random or changes its blobs."""
    for node in program.graph.nodes:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise UnsupportedLayerError("it draws at random")
    if program.graph_signature.buffers_to_mutate:
        raise UnsupportedLayerError("it changes its own blobs as it runs")
