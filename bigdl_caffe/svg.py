"""Pieces of SVG as text, for pictures that need nothing installed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape

Point = tuple[float, float]
"""(x, y) in the picture."""


def document(width: int, height: int, style: str, parts: Iterable[str]) -> str:
    """Return a file: ``parts`` on white, drawn as the CSS ``style`` says."""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    ground = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    return "\n".join([head, f"<style>{style}</style>", ground, *parts, "</svg>\n"])


def line(x1: float, y1: float, x2: float, y2: float, cls: str) -> str:
    """Return a straight line."""
    return f'<line class="{cls}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def curve(points: Iterable[Point], cls: str) -> str:
    """Return a line through ``points``."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{cls}" points="{places}"/>'


def dot(at: Point, radius: float, cls: str, told: str) -> str:
    """Return a circle that says ``told`` where a mouse rests on it."""
    circle = f'<circle class="{cls}" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius}">'
    return f"{circle}<title>{clean(told)}</title></circle>"


def text(x: float, y: float, told: str, anchor: str = "start", turn: int = 0, cls: str = "") -> str:
    """Return ``told`` at a place: its ``anchor`` is there, and it is turned by degrees."""
    turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
    place = f'class="{cls}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turned}'
    return f"<text {place}>{clean(told)}</text>"


def clean(told: str) -> str:
    """Return ``told`` for XML, which cannot hold control characters even escaped."""
    return escape(re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", told))
