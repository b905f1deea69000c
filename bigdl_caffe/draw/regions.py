"""Where a diagram goes through one node: its chains, by dominators.

A *link* leads from a node ``u`` to a node ``v`` when every way from ``u`` comes to ``v`` and every
way to ``v`` comes from ``u``; what lies between, one convolution or all branches of an Inception,
is the link's. Links behind one another are a *chain*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Lines = Sequence[tuple[int, int]]
Neighbours = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Link:
    """A part of a chain.

    Attributes
    ----------
    entry : int
        The node before it.
    members : tuple of int
        Its nodes, in the order they run: the last is where all its ways come together.
    """

    entry: int
    members: tuple[int, ...]


def chains(count: int, lines: Lines) -> list[list[Link]]:
    """Return all chains of a graph, each of one link or more.

    Parameters
    ----------
    count : int
        Of its nodes.
    lines : sequence of (int, int)
        From which node to which; always to a higher number.
    """
    forward: list[list[int]] = [[] for _ in range(count)]
    for source, target in lines:
        forward[source].append(target)
    following = _following(forward)
    starts = following.keys() - following.values()
    return [_chain(start, following, forward) for start in sorted(starts)]


def _following(forward: Neighbours) -> dict[int, int]:
    """Return where the link of each node that has one leads."""
    count = len(forward)
    backward: list[list[int]] = [[] for _ in range(count)]
    for source, targets in enumerate(forward):
        for target in targets:
            backward[target].append(source)
    before = _dominators(backward)
    mirrored = [[count - 1 - t for t in targets] for targets in reversed(forward)]
    after = [count - 1 - node for node in reversed(_dominators(mirrored))]  # -1: nothing is
    return {u: v for u, v in enumerate(after) if v >= 0 and before[v] == u}


def _chain(start: int, following: dict[int, int], forward: Neighbours) -> list[Link]:
    links, at = [], start
    while at in following:
        links.append(Link(at, _between(at, following[at], forward)))
        at = following[at]
    return links


def _between(entry: int, end: int, forward: Neighbours) -> tuple[int, ...]:
    found, ahead = {end}, list(forward[entry])
    while ahead:
        node = ahead.pop()
        if node not in found:
            found.add(node)
            ahead += forward[node]
    return tuple(sorted(found))


def _dominators(backward: Neighbours) -> list[int]:
    """Return the node that each comes through last on every way from the beginning.

    Nodes without one get ``len(backward)``, which stands for what is before all nodes. They are
    numbered in an order in which each comes behind its ``backward`` neighbours.
    """
    root = len(backward)
    found, depth = [root] * root, [0] * root + [-1]
    for node, sources in enumerate(backward):
        best = sources[0] if sources else root
        for other in sources[1:]:
            best = _meet(best, other, found, depth)
        found[node], depth[node] = best, depth[best] + 1
    return found


def _meet(a: int, b: int, found: Sequence[int], depth: Sequence[int]) -> int:
    while a != b:
        if depth[a] < depth[b]:
            b = found[b]
        else:
            a = found[a]
    return a
