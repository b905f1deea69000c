"""Places for the boxes and lines of a graph: in layers, from the top down."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bigdl_caffe.draw.ordering import ordered
from bigdl_caffe.draw.spread import spread

Point = tuple[float, float]
Size = tuple[float, float]
"""(width, height)."""


@dataclass(frozen=True)
class Layout:
    """Where everything is.

    Attributes
    ----------
    tops : tuple of Point
        Of each node, the middle of its upper edge.
    routes : tuple of tuple of Point
        Of each line, its ends and where it enters and leaves the layers between.
    width, height : float
        Of it all; its upper left corner is (0, 0).
    """

    tops: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def layered(
    sizes: Sequence[Size],
    lines: Sequence[tuple[int, int]],
    below: Mapping[int, int],
    across: float,
    down: float,
) -> Layout:
    """Return places for nodes so that all lines lead down.

    Parameters
    ----------
    sizes : sequence of Size
        Of the nodes, numbered so that each line leads to a higher number.
    lines : sequence of (int, int)
        Source and target.
    below : mapping of int to int
        Nodes that are to stand straight below another one, with that.
    across, down : float
        The least distance between two nodes of a layer, and between layers.
    """
    ranks = _ranks(len(sizes), lines)
    drawn = _Bends(list(sizes), ranks)
    ways = [drawn.way(source, target) for source, target in lines]
    rows = ordered(drawn.rows, drawn.before, drawn.after)
    widths = [width for width, _ in drawn.sizes]
    middles = spread(rows, drawn.before, drawn.after, below, widths, across)
    left = min((m - w / 2 for m, w in zip(middles, widths, strict=True)), default=0.0)
    right = max((m + w / 2 for m, w in zip(middles, widths, strict=True)), default=0.0)
    heights = [max((drawn.sizes[node][1] for node in row), default=0.0) for row in rows]
    starts = [sum(heights[:i]) + down * i for i in range(len(heights) + 1)]

    def top(node: int) -> Point:
        rank = drawn.ranks[node]
        return middles[node] - left, starts[rank] + (heights[rank] - drawn.sizes[node][1]) / 2

    def route(way: Sequence[int]) -> tuple[Point, ...]:
        x, y = top(way[0])
        points = [(x, y + drawn.sizes[way[0]][1])]
        for bend in way[1:-1]:
            x, rank = middles[bend] - left, drawn.ranks[bend]
            points += [(x, starts[rank]), (x, starts[rank] + heights[rank])]
        return (*points, top(way[-1]))

    height = starts[-1] - down if rows else 0.0
    tops = tuple(top(node) for node in range(len(sizes)))
    return Layout(tops, tuple(map(route, ways)), right - left, height)


def _ranks(count: int, lines: Sequence[tuple[int, int]]) -> list[int]:
    """Return each node's layer: below all before it; one with nothing before it close above."""
    ranks = [0] * count
    inward: list[list[int]] = [[] for _ in range(count)]
    outward: list[list[int]] = [[] for _ in range(count)]
    for source, target in lines:
        inward[target].append(source)
        outward[source].append(target)
    for node in range(count):
        ranks[node] = max((ranks[source] + 1 for source in inward[node]), default=0)
    for node in range(count):
        if not inward[node] and outward[node]:
            ranks[node] = min(ranks[target] for target in outward[node]) - 1
    return ranks


class _Bends:
    """The graph with a node of no width wherever a long line goes through a layer."""

    def __init__(self, sizes: list[Size], ranks: list[int]) -> None:
        self.sizes, self.ranks = sizes, ranks
        self.rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
        for node, rank in enumerate(ranks):
            self.rows[rank].append(node)
        self.before: dict[int, list[int]] = {node: [] for node in range(len(sizes))}
        self.after: dict[int, list[int]] = {node: [] for node in range(len(sizes))}

    def way(self, source: int, target: int) -> list[int]:
        """Add a line; return the nodes that it goes through."""
        between = range(self.ranks[source] + 1, self.ranks[target])
        way = [source, *(self._bend(rank) for rank in between), target]
        for upper, lower in itertools.pairwise(way):
            self.after[upper].append(lower)
            self.before[lower].append(upper)
        return way

    def _bend(self, rank: int) -> int:
        node = len(self.sizes)
        self.sizes.append((0.0, 0.0))
        self.ranks.append(rank)
        self.rows[rank].append(node)
        self.before[node], self.after[node] = [], []
        return node
