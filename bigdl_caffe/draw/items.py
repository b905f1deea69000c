"""What a picture is made of, whatever draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
"""(x, y), down and to the right of the upper left corner, in pixels."""


@dataclass(frozen=True)
class Panel:
    """A rectangle with round corners.

    Attributes
    ----------
    told : str
        What is shown where a mouse rests on it.
    """

    x: float
    y: float
    width: float
    height: float
    fill: str
    border: str
    radius: float = 4.0
    dashed: bool = False
    told: str = ""


@dataclass(frozen=True)
class Words:
    """A line of text, its base line at ``y``; ``x`` is its middle, or its left end."""

    x: float
    y: float
    text: str
    size: int
    colour: str = "#222"
    bold: bool = False
    centred: bool = True


@dataclass(frozen=True)
class Wire:
    """A line that leads down through pairs of points, with an arrow at its end.

    It is straight between the first and second of a layer that it goes through, and bends
    between layers.
    """

    points: tuple[Point, ...]
    arrow: bool = True

    @property
    def bends(self) -> Sequence[tuple[Point, Point]]:
        """Its parts between layers: from, to."""
        return [(self.points[i], self.points[i + 1]) for i in range(0, len(self.points) - 1, 2)]


Item = Panel | Words | Wire
GREY = "#5f6b76"
"""Of shapes and other small words."""


@dataclass(frozen=True)
class Picture:
    """All items, the lower ones first, on white."""

    width: float
    height: float
    items: tuple[Item, ...]
    title: str = ""


_NARROW, _WIDE = set("iljtfrI1.,:;'|!()[]/ "), set("mwMW@%")
_LETTERS = 0.29, 0.56, 0.68, 0.87
"""Of Helvetica's letters, the widths in sizes: narrow ones, most, capitals, wide ones."""


def text_width(text: str, size: int, bold: bool = False) -> float:
    """Return about how wide ``text`` is in a sans-serif font."""
    narrow, most, capital, wide = _LETTERS
    total = sum(
        narrow if c in _NARROW else wide if c in _WIDE else capital if c.isupper() else most
        for c in text
    )
    return total * size * (1.06 if bold else 1.0)


def shortened(text: str, letters: int) -> str:
    """Return ``text`` with its middle left out where it has more than ``letters``."""
    if len(text) <= letters:
        return text
    head = letters // 2
    return f"{text[:head]}…{text[len(text) - (letters - head - 1) :]}"
