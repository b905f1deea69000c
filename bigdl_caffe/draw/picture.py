"""The whole picture of a net: its title, what the colours mean, and the boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bigdl_caffe.draw.diagram import Box, Diagram, diagram
from bigdl_caffe.draw.items import GREY, Item, Panel, Picture, Words, shortened, text_width
from bigdl_caffe.draw.kinds import COLOURS, kind
from bigdl_caffe.draw.repeats import grouped
from bigdl_caffe.draw.scene import moved, scene
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.graph.names import ALIAS

MARGIN = 24.0
TITLE, SMALL = 16, 11
"""Sizes of letters."""
HEAD, LINE = 52.0, 20.0
"""Heights of the title, and of a line of the colours' names."""
LEAST = 320.0
"""The least width of a picture, so that its title has room."""


def picture(net: Net, note: str = "", repeats: bool = True) -> Picture:
    """Return the picture of ``net``.

    Parameters
    ----------
    net : Net
        Its shapes are shown where it has any.
    note : str
        Said below the title, as the number of parameters.
    repeats : bool
        Whether a block that is repeated is drawn once, in a frame that says how often.
    """
    boxes = diagram(net)
    drawn = scene(grouped(boxes, net.shapes) if repeats else boxes, net.shapes)
    layers = sum(layer.type != ALIAS for layer in net.layers)
    title = shortened(net.name or "(no name)", 60)
    told = f"{layers} layers, phase {net.phase}" + (f", {note}" if note else "")
    widest = max(text_width(title, TITLE, bold=True), text_width(told, SMALL), LEAST)
    width = max(drawn.width, widest) + 2 * MARGIN
    colours, rows = _colours(boxes, width)
    top = MARGIN + HEAD + rows * LINE + 12
    items = (
        Words(MARGIN, MARGIN + 12, title, TITLE, bold=True, centred=False),
        Words(MARGIN, MARGIN + 32, told, SMALL, GREY, centred=False),
        *colours,
        *moved(drawn.items, (width - drawn.width) / 2, top),
    )
    return Picture(width, top + drawn.height + 2 * MARGIN, items, title)


def _colours(boxes: Diagram, width: float) -> tuple[Sequence[Item], int]:
    """Return what says which kind has which colour, and how many lines it takes."""
    shown = {kind(s) for box in boxes.nodes if isinstance(box, Box) for s in box.layers}
    items: list[Item] = []
    x, row = MARGIN, 0
    for name in (name for name in COLOURS if name in shown):
        wide = text_width(name, SMALL) + 34
        if x + wide > width - MARGIN and x > MARGIN:
            x, row = MARGIN, row + 1
        items += _colour(name, x, MARGIN + HEAD + row * LINE)
        x += wide
    return items, row + 1


def _colour(name: str, x: float, y: float) -> Iterator[Item]:
    fill, border = COLOURS[name]
    yield Panel(x, y - 9, 14, 12, fill, border, 2.0)
    yield Words(x + 19, y + 1, name, SMALL, GREY, centred=False)
