"""Where nodes stand across a layered drawing: under one another, and never over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SWEEPS = 6
"""Times that the layers are gone through, up and down."""
STRAIGHT = 8.0
"""How much more a long line's straightness counts than a node's place."""


def spread(
    layers: Sequence[Sequence[int]],
    before: Mapping[int, Sequence[int]],
    after: Mapping[int, Sequence[int]],
    below: Mapping[int, int],
    widths: Sequence[float],
    gap: float,
) -> list[float]:
    """Return the middle of each node.

    Layer by layer each node is drawn to the mean of its neighbours' middles, and those that then
    lie over others are moved apart by the least squares of their ways.

    Parameters
    ----------
    layers : sequence of sequence of int
        The nodes of each layer, from left to right.
    before, after : mapping of int to sequence of int
        A node's neighbours in the layers above and below it.
    below : mapping of int to int
        Nodes that are to stand straight below another one, with that.
    widths : sequence of float
        Of the nodes; 0 for a bend of a long line.
    gap : float
        The least distance between two nodes.
    """
    downward = {node: [above] for node, above in below.items()}
    upward = {above: [node] for node, above in below.items()}
    middles = [0.0] * len(widths)
    for layer in layers:
        for node, at in zip(layer, _apart([0.0] * len(layer), layer, widths, gap), strict=True):
            middles[node] = at
    for sweep in range(2 * SWEEPS + 1):
        down = sweep % 2 == 0
        toward = {**before, **downward} if down else {**after, **upward}
        for layer in layers if down else reversed(layers):
            wanted = [_mean(toward[node], middles, widths, middles[node]) for node in layer]
            for node, at in zip(layer, _apart(wanted, layer, widths, gap), strict=True):
                middles[node] = at
    return middles


def _mean(
    others: Sequence[int], middles: Sequence[float], widths: Sequence[float], alone: float
) -> float:
    if not others:
        return alone
    weights = [1.0 if widths[other] else STRAIGHT for other in others]
    return sum(w * middles[o] for w, o in zip(weights, others, strict=True)) / sum(weights)


def _apart(
    wanted: Sequence[float], layer: Sequence[int], widths: Sequence[float], gap: float
) -> list[float]:
    """Return places in the layer's order, as near to ``wanted`` as there is room.

    By pooling neighbours that are too close, which is isotonic regression.
    """
    offsets, at = [], 0.0
    for i, node in enumerate(layer):
        at += (widths[layer[i - 1]] + widths[node]) / 2 + gap if i else 0.0
        offsets.append(at)
    pools: list[tuple[float, float, int]] = []  # their mean, their weight, how many they are
    for node, want, offset in zip(layer, wanted, offsets, strict=True):
        mean, weight, count = want - offset, 1.0 if widths[node] else STRAIGHT, 1
        while pools and pools[-1][0] >= mean:
            other, heavy, many = pools.pop()
            mean = (mean * weight + other * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + many
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
