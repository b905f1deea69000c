"""The learning curve of a training as a picture: SVG, so that nothing need be installed.

Above is the loss, of every iteration pale and smoothed over it, with the losses of the tests;
below it what else the tests give, and at the bottom the learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bigdl_caffe import svg
from bigdl_caffe.train.show.history import History
from bigdl_caffe.train.show.scales import Scale, fit

WIDTH, LEFT, RIGHT = 960, 80, 760
"""Of the picture, and the edges of its panels; right of them stand the names of the curves."""
TOP, GAP, FOOT = 76, 40, 60
LETTERS = 26
"""Of a name that are shown."""
POINTS = 700
"""A curve is given no more than this: one for each pixel of a screen."""
DOTTED = 60
"""Curves of at most as many points have them marked."""

_COLOURS = ("#3a6ea5", "#c8551e", "#2a8a4a", "#8250a8", "#a87a0b", "#1f8a94", "#b03a6e", "#555")
_STYLE = """
text { font: 12px Helvetica, Arial, DejaVu Sans, sans-serif; fill: #444 }
.title { font-size: 16px; font-weight: bold; fill: #222 } .panel { font-weight: bold }
.grid { stroke: #e8e8e8 } .frame { stroke: #bbb }
polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round }
.raw { stroke-width: 1; stroke-opacity: 0.3 }
"""

Points = Sequence[tuple[float, float]]
"""(iteration, value) each."""
Columns = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Curve:
    """One curve; one without a name has none beside it."""

    name: str
    points: Points
    cls: str

    @property
    def last(self) -> float:
        """Its last value."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Panel:
    """Curves over one another, on one scale."""

    title: str
    height: int
    curves: tuple[Curve, ...]


def learning_curve(history: History, title: str = "Training") -> str:
    """Return the picture as the text of an SVG file.

    Parameters
    ----------
    history : History
        Of a training with any number of iterations and tests.
    title : str
        What stands above it.
    """
    panels = list(_panels(history))
    bottom = TOP - GAP + sum(panel.height + GAP for panel in panels)
    across = _across(panels)
    parts = [svg.text(LEFT, 32, title, cls="title")]
    top = TOP
    for panel in panels:
        parts.extend(_panel(panel, across, top))
        top += panel.height + GAP
    parts.extend(_foot(across, bottom, history.train.columns()))
    return svg.document(WIDTH, bottom + FOOT, _STYLE + "\n".join(_colours()), parts)


def _colours() -> Iterator[str]:
    for i, colour in enumerate(_COLOURS):
        yield f".c{i} {{ stroke: {colour} }} text.c{i} {{ fill: {colour}; stroke: none }}"
        yield f"circle.c{i} {{ fill: {colour}; stroke: none }}"


def _panels(history: History) -> Iterator[Panel]:
    """Yield the panels from the top down, but for those that would be empty."""
    train = history.train.columns()
    losses = [*_train_curves(train)]
    others: list[Curve] = []
    for i, (name, points) in enumerate(_tests(history)):
        curve = Curve(name, _thin(points), f"c{1 + i % (len(_COLOURS) - 2)}")
        kind = losses if name.partition(": ")[2] in history.losses else others
        kind.append(curve)
    rate = [Curve("", _thin(_points(train, "rate")), f"c{len(_COLOURS) - 1}")]
    for title, height, curves in (
        ("Loss", 260, losses),
        ("Tests", 180, others),
        ("Learning rate", 80, rate),
    ):
        if shown := tuple(curve for curve in curves if curve.points):
            yield Panel(title, height, shown)


def _train_curves(train: Columns) -> Iterator[Curve]:
    points = _points(train, "loss")
    yield Curve("", _extremes(points), "raw c0")
    yield Curve("train", _thin(_smooth(points)), "c0")


def _tests(history: History) -> Iterator[tuple[str, Points]]:
    """Yield every output of the test nets with the number of its net, unless there is one."""
    for net, table in history.tests.items():
        columns = table.columns()
        test = "test" if len(history.tests) == 1 else f"test {net}"
        for name in columns:
            if name != "iteration":
                yield f"{test}: {name}", _points(columns, name)


def _points(columns: Columns, name: str) -> Points:
    """Return the points of a column, without those that are no numbers."""
    pairs = zip(columns.get("iteration", ()), columns.get(name, ()), strict=True)
    return [(at, value) for at, value in pairs if math.isfinite(value)]


def _smooth(points: Points) -> Points:
    """Return at each point the mean of the fiftieth of all points that is around it."""
    reach = len(points) // 100
    sums = np.concatenate([[0.0], np.cumsum([value for _, value in points])])
    index = np.arange(len(points))
    low, high = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(points))
    means = (sums[high] - sums[low]) / (high - low)
    return [(at, float(mean)) for (at, _), mean in zip(points, means, strict=True)]


def _thin(points: Points) -> Points:
    """Return as many of ``points`` as can be seen, the last one among them."""
    return [*points[: -1 : max(1, len(points) // POINTS)], *points[-1:]]


def _extremes(points: Points) -> Points:
    """Return the least and the largest of every few neighbours, so that no peak is lost."""
    size = len(points) // (POINTS // 2)
    if size < 2:
        return points
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    ends = [(group[0][0], [value for _, value in group]) for group in groups]
    return [(at, value) for at, values in ends for value in (min(values), max(values))]


def _across(panels: Sequence[Panel]) -> Scale:
    """Return the scale of the iterations, which all panels share."""
    at = [x for panel in panels for curve in panel.curves for x, _ in curve.points] or [0.0]
    return Scale(min(at), max(at) + 1, LEFT, RIGHT)


def _panel(panel: Panel, across: Scale, top: int) -> Iterator[str]:
    """Yield a panel: its title, its scale, its curves and their names."""
    bottom = top + panel.height
    up = fit([y for curve in panel.curves for _, y in curve.points], bottom, top)
    note = " (logarithmic scale)" if up.log else ""
    yield svg.text(LEFT, top - 10, panel.title + note, cls="panel")
    for tick in up.ticks(max(3, panel.height // 30)):
        yield svg.line(LEFT, up(tick), RIGHT, up(tick), "grid")
        yield svg.text(LEFT - 8, up(tick) + 4, f"{tick:g}", "end")
    for tick in across.ticks(8):
        yield svg.line(across(tick), top, across(tick), bottom, "grid")
    for y in (top, bottom):
        yield svg.line(LEFT, y, RIGHT, y, "frame")
    for curve in panel.curves:
        yield from _curve(curve, across, up)
    yield from _names(panel, up, top)


def _curve(curve: Curve, across: Scale, up: Scale) -> Iterator[str]:
    places = [(across(x), up(y)) for x, y in curve.points]
    yield svg.curve(places, curve.cls)
    if curve.name and len(places) <= DOTTED:
        for place, (at, value) in zip(places, curve.points, strict=True):
            told = f"{curve.name} {value:.6g} at iteration {at:.0f}"
            yield svg.dot(place, 2.5, curve.cls, told)


def _names(panel: Panel, up: Scale, top: int) -> Iterator[str]:
    """Yield each curve's name and last value at its end, or under the one above it."""
    named = [(up(curve.last), curve) for curve in panel.curves if curve.name]
    free = float(top)
    for y, curve in sorted(named, key=lambda pair: pair[0]):
        place = max(free, y)
        told = f"{_short(curve.name)} {curve.last:.4g}"
        yield svg.text(RIGHT + 10, place + 4, told, cls=curve.cls)
        free = place + 16


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


def _foot(across: Scale, bottom: int, train: Columns) -> Iterator[str]:
    """Yield what is under the last panel: iterations, and how often the data were seen."""
    for tick in across.ticks(8):
        yield svg.text(across(tick), bottom + 18, f"{tick:.10g}", "middle")
    epochs = max(train.get("epoch", ()), default=0.0)
    told = f"iteration ({epochs:.3g} epochs)" if epochs else "iteration"
    yield svg.text((LEFT + RIGHT) / 2, bottom + 42, told, "middle")
