"""A net as a table that a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bigdl_caffe.graph.ir import LayerDef, Net
from bigdl_caffe.graph.names import ALIAS

HEADER = ("layer", "type", "bottoms", "top shape", "params", "MACs")
RIGHT = {4, 5}


@dataclass(frozen=True)
class Cost:
    """What a layer holds and does.

    Attributes
    ----------
    params : int
        Numbers in its learnable blobs; 0 where another layer owns them.
    macs : int
        Multiply-accumulates of one forward pass at the net's shapes.
    """

    params: int
    macs: int


def summarise(net: Net, costs: Sequence[Cost]) -> str:
    """Return the table: a row for each layer, totals, inputs and outputs.

    Parameters
    ----------
    net : Net
        With shapes.
    costs : sequence of Cost
        One for each layer.
    """
    rows = [
        _row(layer, net, cost)
        for layer, cost in zip(net.layers, costs, strict=True)
        if layer.type != ALIAS
    ]
    params, macs = sum(c.params for c in costs), sum(c.macs for c in costs)
    foot = ("total", f"{len(rows)} layers", "", "", f"{params:,}", f"{macs:,}")
    widths = [max(map(len, column)) for column in zip(HEADER, *rows, foot, strict=True)]
    line = "-" * (sum(widths) + 2 * (len(widths) - 1))
    head = f"{net.name or '(no name)'}, phase {net.phase}"
    body = [_format(row, widths) for row in (HEADER, *rows)]
    ends = [
        "inputs:  " + ", ".join(f"{blob} {_shape(shape)}" for blob, shape in net.inputs.items()),
        "outputs: " + ", ".join(f"{blob} {_shape(net.shapes[blob])}" for blob in net.outputs),
    ]
    return "\n".join([head, line, body[0], line, *body[1:], line, _format(foot, widths), *ends])


def _row(layer: LayerDef, net: Net, cost: Cost) -> tuple[str, ...]:
    shapes = ", ".join(_shape(net.shapes[v]) for v in layer.writes if v in net.shapes)
    numbers = [f"{n:,}" if n else "" for n in (cost.params, cost.macs)]
    return (layer.name, layer.type, ", ".join(layer.bottoms), shapes, *numbers)


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _format(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if i in RIGHT else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()
