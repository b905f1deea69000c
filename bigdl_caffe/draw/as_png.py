"""A picture as PNG, drawn by Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from bigdl_caffe.draw.items import Item, Panel, Picture, Point, Wire, Words
from bigdl_caffe.errors import CaffeError

SCALE = 2.0
"""Dots for each of the picture's pixels, so that small letters are sharp."""
LARGEST = 40e6
"""Dots of a picture; a larger one is drawn smaller."""
LINE = "#7b8794"
_PLAIN = str.maketrans({"×": "x", "…": "~"})
"""Signs that Pillow's own font lacks."""


def as_png(picture: Picture) -> bytes:
    """Return the file's bytes.

    Raises
    ------
    CaffeError
        Without Pillow.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise CaffeError(
            "a PNG is drawn by Pillow, which is missing: pip install 'bigdl-caffe[image]', or "
            "name a file that ends in .svg"
        ) from error
    scale = min(SCALE, (LARGEST / (picture.width * picture.height)) ** 0.5)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    for item in picture.items:
        _draw(pen, item, scale)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _draw(pen: Any, item: Item, scale: float) -> None:
    if isinstance(item, Panel):
        ends = (item.x, item.y, item.x + item.width, item.y + item.height)
        corners = [end * scale for end in ends]
        line = max(1, round(scale))
        pen.rounded_rectangle(corners, item.radius * scale, item.fill, item.border, line)
    elif isinstance(item, Words):
        place = item.x * scale, item.y * scale
        font = _font(item.size * scale)
        thick = round(scale / 4, 1) if item.bold else 0
        anchor = "ms" if item.centred else "ls"
        pen.text(place, item.text.translate(_PLAIN), item.colour, font, anchor, stroke_width=thick)
    else:
        points = [(x * scale, y * scale) for x, y in _curved(item)]
        pen.line(points, LINE, max(1, round(1.2 * scale)), joint="curve")
        if item.arrow:
            pen.polygon(_arrow(points[-1], scale), LINE)


@cache
def _font(size: float) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _curved(wire: Wire) -> Iterator[Point]:
    """Yield points close together along a wire."""
    yield wire.points[0]
    for i, (x1, y1) in enumerate(wire.points[1:], 1):
        x0, y0 = wire.points[i - 1]
        if i % 2 and abs(x0 - x1) >= 0.5:
            for step in range(1, 12):
                t = step / 12
                yield x0 + (x1 - x0) * t * t * (3 - 2 * t), y0 + (y1 - y0) * _drop(t)
        yield x1, y1


def _drop(t: float) -> float:
    """Return how far down a curve is, whose ends and both bends stand at 0, 1/2, 1/2 and 1."""
    return 1.5 * t * (1 - t) + t**3


def _arrow(end: Point, scale: float) -> Sequence[Point]:
    x, y = end
    return [(x - 3 * scale, y - 6 * scale), (x + 3 * scale, y - 6 * scale), (x, y)]
