"""A box of a picture: a layer's name, what it is, and the layers that are joined to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bigdl_caffe.draw.diagram import Box
from bigdl_caffe.draw.items import Item, Panel, Words, shortened, text_width
from bigdl_caffe.draw.kinds import COLOURS, OTHER, kind, type_name
from bigdl_caffe.draw.words import told
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import format_message
from bigdl_caffe.graph.ir import LayerDef

NAME, MORE, SMALL = 12, 11, 10
"""Sizes of letters: of the name, of what the layer is, of joined layers."""
PAD = 10.0
"""Between the border and the words."""
LEAST = 90.0
"""The least width."""
LETTERS = 34
"""Of a name that are shown."""
CHIP, SIDE_BY_SIDE = 17.0, 3
"""Height of a joined layer, and how many stand beside each other."""
HEAD = 38.0
"""Height of the name and what the layer is."""
HOVER = 800
"""Letters of the layer's definition that a mouse shows."""


def drawn_box(box: Box) -> tuple[float, float, tuple[Item, ...]]:
    """Return the width, height and items of a box whose upper left corner is (0, 0)."""
    first, *joined = box.layers
    name, more = shortened(first.name, LETTERS), shortened(told(first), LETTERS + 4)
    rows = [joined[i : i + SIDE_BY_SIDE] for i in range(0, len(joined), SIDE_BY_SIDE)]
    words = max(text_width(name, NAME, bold=True), text_width(more, MORE)) + 2 * PAD
    width = max(LEAST, words, *(_row_width(row) for row in rows), 0.0)
    height = HEAD + CHIP * len(rows) + (4 if rows else 0)
    fill, border = COLOURS[kind(first)]
    unknown = kind(first) == OTHER
    items: list[Item] = [
        Panel(0, 0, width, height, fill, border, dashed=unknown, told=_definition(first)),
        Words(width / 2, 16, name, NAME, bold=True),
        Words(width / 2, 31, more, MORE, "#37474f"),
    ]
    for i, row in enumerate(rows):
        items += _row(row, width, HEAD + CHIP * i)
    return width, height, tuple(items)


def _row(row: Sequence[LayerDef], width: float, top: float) -> Iterator[Item]:
    """Yield joined layers, which fill the box from side to side."""
    room = (width - 8) / len(row)
    for i, layer in enumerate(row):
        fill, border = COLOURS[kind(layer)]
        x = 4 + room * i
        yield Panel(x + 1, top, room - 2, CHIP - 2, fill, border, 3.0, told=_definition(layer))
        yield Words(x + room / 2, top + 11, shortened(type_name(layer), 16), SMALL, "#37474f")


def _row_width(row: Sequence[LayerDef]) -> float:
    widest = max(text_width(shortened(type_name(layer), 16), SMALL) for layer in row)
    return (widest + 12) * len(row) + 8


def _definition(layer: LayerDef) -> str:
    """Return what the prototxt says of a layer."""
    param = pb.LayerParameter()
    param.CopyFrom(layer.param)
    param.ClearField("blobs")
    return format_message(param)[:HOVER].rstrip()
