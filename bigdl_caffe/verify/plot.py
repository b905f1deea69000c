"""The error along a net as a picture: SVG by hand, so that nothing need be installed.

Left to right are the values in execution order, upwards the error on a logarithmic scale
that is the same in every picture. Values over the tolerance are red; the first of them, and
each that is ten times worse than all before it, has its layer's name above it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from bigdl_caffe import svg
from bigdl_caffe.verify.comparison import Comparison, Row
from bigdl_caffe.verify.table import describe, verdict

WIDTH, HEIGHT = 1000, 520
LEFT, RIGHT, TOP, BOTTOM = 110, 890, 170, 400
"""The edges of the area that holds the curve."""
LOW, HIGH = -9, 1
"""The powers of ten at its bottom and its top; no error is over 2."""
_ENDS = {LOW: f"≤ 1e{LOW}", HIGH: "NaN, shape"}
SPACING = 22
"""The least distance of two slanted names: the height of their letters, seen along the axis."""
LONGEST = 22
"""Letters of a name that are shown."""

_STYLE = """
text { font: 11px Helvetica, Arial, DejaVu Sans, sans-serif; fill: #444 }
.title { font-size: 15px; font-weight: bold; fill: #222 }
.grid { stroke: #e6e6e6 } .axis { stroke: #999 }
.curve { fill: none; stroke: #9db4cc; stroke-width: 1.2 }
.limit { stroke: #2a8a4a; stroke-dasharray: 5 4 } .limit-text { fill: #2a8a4a }
.good { fill: #3a6ea5 } .bad { fill: #c8321e }
.lead { stroke: #c8321e; stroke-width: 0.8; stroke-opacity: 0.5 } .lead-text { fill: #c8321e }
"""


def plot(comparison: Comparison) -> str:
    """Return the picture as the text of an SVG file."""
    rows = comparison.rows
    step = (RIGHT - LEFT) / max(len(rows) - 1, 1)
    places = [(LEFT + i * step, _height(_size(row))) for i, row in enumerate(rows)]
    parts = [
        *_frame(comparison),
        *_names(rows, places),
        *_leads(rows, places),
        svg.curve(places, "curve"),
        *(_dot(row, at, 3.5 if step > 8 else 2) for row, at in zip(rows, places, strict=True)),
    ]
    return svg.document(WIDTH, HEIGHT, _STYLE, parts)


def _frame(comparison: Comparison) -> Iterator[str]:
    """Yield the title, the scale and the line of the tolerance."""
    first = comparison.first
    title = "A and B are equal" if first is None else f"A and B part at layer '{first}'"
    yield svg.text(30, 32, _short(title, 90), cls="title")
    yield svg.text(30, 52, _short(verdict(comparison), 150))
    for power in range(LOW, HIGH + 1):
        y = _height(10.0**power)
        yield svg.line(LEFT, y, RIGHT, y, "axis" if power == LOW else "grid")
        label = _ENDS.get(power, f"1e{power}")
        yield svg.text(LEFT - 12, y + 4, label, anchor="end")
    middle = (TOP + BOTTOM) / 2
    yield svg.text(34, middle, "largest difference / largest magnitude", "middle", turn=-90)
    y = _height(comparison.tolerance)
    yield svg.line(LEFT, y, RIGHT, y, "limit")
    yield svg.text(RIGHT + 8, y + 4, f"tolerance {comparison.tolerance:g}", cls="limit-text")


def _names(rows: Sequence[Row], places: Sequence[svg.Point]) -> Iterator[str]:
    """Yield names of layers under the axis: all, or as many as can be read."""
    every = math.ceil(SPACING * max(len(rows) - 1, 1) / (RIGHT - LEFT))
    for row, (x, _) in list(zip(rows, places, strict=True))[::every]:
        yield svg.line(x, BOTTOM, x, BOTTOM + 4, "axis")
        yield svg.text(x + 3, BOTTOM + 14, _short(row.layer), "end", turn=-45)


def _leads(rows: Sequence[Row], places: Sequence[svg.Point]) -> Iterator[str]:
    """Yield the names of layers at which the error begins or jumps, above the curve."""
    free = -math.inf
    for i in _jumps(rows):
        x, y = places[i]
        if x < free:
            continue
        free = x + SPACING
        yield svg.line(x, TOP - 4, x, y, "lead")
        yield svg.text(x, TOP - 9, _short(rows[i].layer), turn=-45, cls="lead-text")


def _jumps(rows: Sequence[Row]) -> list[int]:
    """Return which rows depart, and are the first to do so or ten times worse than before."""
    worst = accumulate((_size(row) if row.departs else 0.0 for row in rows), max, initial=0.0)
    return [i for i, (old, new) in enumerate(pairwise(worst)) if new > 10 * old]


def _size(row: Row) -> float:
    """Return the error to draw: infinite where there are NaN."""
    return math.inf if row.nans else row.error


def _height(error: float) -> float:
    """Return how far down the picture ``error`` is drawn."""
    power = math.log10(error) if 0 < error < math.inf else (HIGH if error else LOW)
    share = (min(max(power, LOW), HIGH) - LOW) / (HIGH - LOW)
    return BOTTOM - share * (BOTTOM - TOP)


def _dot(row: Row, place: svg.Point, radius: float) -> str:
    told = f"{row.layer} ({row.type}), blob {row.blob}: {describe(row)}"
    return svg.dot(place, radius, "bad" if row.departs else "good", told)


def _short(text: str, longest: int = LONGEST) -> str:
    """Return ``text``, or its two ends, which tell one layer of a block from the next."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[: longest - half - 1]}…{text[-half:]}"
