"""The order of nodes in each layer of a layered drawing: with few crossings of its lines."""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence

SWEEPS = 8
"""Times that the layers are gone through, down or up."""

Layers = Sequence[Sequence[int]]
Neighbours = Mapping[int, Sequence[int]]


def ordered(layers: Layers, before: Neighbours, after: Neighbours) -> list[list[int]]:
    """Return ``layers``, each in the order in which the fewest crossings were found.

    Parameters
    ----------
    layers : sequence of sequence of int
        The nodes of each layer from the top down.
    before, after : mapping of int to sequence of int
        A node's neighbours in the layer above it, and in the one below.
    """
    now = [list(layer) for layer in layers]
    best, least = now, crossings(now, after)
    for sweep in range(SWEEPS):
        if not least:
            break
        now = _swept(now, before) if sweep % 2 == 0 else _swept(now[::-1], after)[::-1]
        count = crossings(now, after)
        if count < least:
            best, least = now, count
    return best


def crossings(layers: Layers, after: Neighbours) -> int:
    """Return how many pairs of lines cross."""
    return sum(_between(upper, lower, after) for upper, lower in itertools.pairwise(layers))


def _between(upper: Sequence[int], lower: Sequence[int], after: Neighbours) -> int:
    place = {node: i for i, node in enumerate(lower)}
    ends = (sorted(place[other] for other in after[node]) for node in upper)
    seen: list[int] = []
    found = 0
    for here in ends:
        found += sum(len(seen) - bisect_right(seen, end) for end in here)
        for end in here:
            insort(seen, end)
    return found


def _swept(layers: Layers, toward: Neighbours) -> list[list[int]]:
    """Return the layers, each but the first sorted by where its neighbours above it stand."""
    out = [list(layers[0])] if layers else []
    for layer in layers[1:]:
        place = {node: i for i, node in enumerate(out[-1])}
        out.append(list(_sorted(layer, place, toward)))
    return out


def _sorted(layer: Sequence[int], place: Mapping[int, int], toward: Neighbours) -> Iterator[int]:
    """Yield ``layer`` by the middles of its neighbours; a node without any keeps its place."""
    middles = {
        node: _middle([place[other] for other in toward[node]]) for node in layer if toward[node]
    }
    moving = iter(sorted(middles, key=lambda node: middles[node]))
    for node in layer:
        yield next(moving) if node in middles else node


def _middle(places: list[int]) -> float:
    return sum(places) / len(places)
