"""A picture as SVG: text that needs nothing installed, and says more where a mouse rests."""

from __future__ import annotations

import math

from bigdl_caffe import svg
from bigdl_caffe.draw.items import Item, Panel, Picture, Wire, Words

STYLE = """
text { font-family: Helvetica, Arial, DejaVu Sans, sans-serif }
.b { font-weight: bold } .m { text-anchor: middle }
path { fill: none; stroke: #7b8794; stroke-width: 1.2 }
"""
ARROW = (
    '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><polygon points="0,0.5 8,4 0,7.5" fill="#7b8794"/></marker></defs>'
)


def as_svg(picture: Picture) -> str:
    """Return the file's text."""
    parts = [f"<title>{svg.clean(picture.title)}</title>", ARROW, *map(_drawn, picture.items)]
    return svg.document(math.ceil(picture.width), math.ceil(picture.height), STYLE, parts)


def _drawn(item: Item) -> str:
    if isinstance(item, Panel):
        return _panel(item)
    return _wire(item) if isinstance(item, Wire) else _words(item)


def _panel(item: Panel) -> str:
    place = f'x="{item.x:.1f}" y="{item.y:.1f}" width="{item.width:.1f}" height="{item.height:.1f}"'
    look = f'rx="{item.radius:g}" fill="{item.fill}" stroke="{item.border}"'
    dashed = ' stroke-dasharray="5 3"' if item.dashed else ""
    told = f"<title>{svg.clean(item.told)}</title>" if item.told else ""
    return f"<rect {place} {look}{dashed}>{told}</rect>"


def _words(item: Words) -> str:
    cls = " ".join(name for name, on in (("b", item.bold), ("m", item.centred)) if on)
    place = f'x="{item.x:.1f}" y="{item.y:.1f}" font-size="{item.size}" fill="{item.colour}"'
    named = f' class="{cls}"' if cls else ""
    return f'<text {place}{named} pointer-events="none">{svg.clean(item.text)}</text>'


def _wire(item: Wire) -> str:
    (x, y), *_ = item.points
    path = [f"M{x:.1f},{y:.1f}"]
    for i, (x1, y1) in enumerate(item.points[1:], 1):
        x0, y0 = item.points[i - 1]
        if i % 2 == 0 or abs(x0 - x1) < 0.5:
            path.append(f"L{x1:.1f},{y1:.1f}")
        else:
            middle = (y0 + y1) / 2
            path.append(f"C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}")
    arrow = ' marker-end="url(#a)"' if item.arrow else ""
    return f'<path d="{" ".join(path)}"{arrow}/>'
