"""A net as a table that a person reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bigdl_caffe.graph.ir import LayerDef, Net, Shape
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
    body = [format_row(row, widths, RIGHT) for row in (HEADER, *rows, foot)]
    ends = [
        "inputs:  " + _blobs(net.inputs),
        "outputs: " + _blobs({blob: net.shapes[blob] for blob in net.outputs}),
    ]
    return "\n".join([head, line, body[0], line, *body[1:-1], line, body[-1], *ends])


def totals(costs: Sequence[Cost]) -> str:
    """Return the sums as a title has them: "25.6 M parameters, 3.86 G MACs"."""
    params, macs = sum(c.params for c in costs), sum(c.macs for c in costs)
    return f"{short(params)} parameters, {short(macs)} MACs"


def short(number: int) -> str:
    """Return a number in three digits, with M for a million, and so on."""
    for size, sign in ((10**9, " G"), (10**6, " M"), (10**3, " k")):
        if number >= size:
            return f"{number / size:.3g}{sign}"
    return str(number)


def _blobs(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{blob} {format_shape(shape)}" for blob, shape in shapes.items())


def _row(layer: LayerDef, net: Net, cost: Cost) -> tuple[str, ...]:
    shapes = ", ".join(format_shape(net.shapes[v]) for v in layer.writes if v in net.shapes)
    numbers = [f"{n:,}" if n else "" for n in (cost.params, cost.macs)]
    return (layer.name, layer.type, ", ".join(layer.bottoms), shapes, *numbers)


def format_shape(shape: Sequence[int]) -> str:
    """Return a shape as a table shows it."""
    return "×".join(map(str, shape)) or "scalar"


def format_row(row: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    """Return a table's row, each cell as wide as its column and at its left or ``right`` end."""
    cells = (
        cell.rjust(width) if i in right else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()
