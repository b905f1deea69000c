"""A net as boxes and arrows: what is drawn, before anything has a place.

A layer that works in place, and a normalization or activation that alone reads what another
layer makes, stand in that layer's box.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bigdl_caffe.draw.kinds import kind
from bigdl_caffe.graph.ir import LayerDef, Net
from bigdl_caffe.graph.names import ALIAS

OUTSIDE = -1
"""Source of the edges that come into a `Group`'s diagram."""

_JOINED = {"normalization", "activation"}
_ALONE = {"LRN", "Softmax"}


@dataclass(frozen=True)
class Box:
    """A layer, and those behind it that are drawn with it.

    Attributes
    ----------
    layers : tuple of LayerDef
        In the order they run; the first gives the box its name and colour.
    """

    layers: tuple[LayerDef, ...]

    @property
    def name(self) -> str:
        """The first layer's name."""
        return self.layers[0].name


@dataclass(frozen=True)
class Edge:
    """An arrow from one node to another, by their places in ``Diagram.nodes``.

    Attributes
    ----------
    source, target : int
    value : str
        What goes along it: a key of ``Net.shapes``.
    """

    source: int
    target: int
    value: str


@dataclass(frozen=True)
class Group:
    """Nodes that stand for several runs of the same nodes, one behind the other.

    Attributes
    ----------
    inner : Diagram
        The first run. Its last node makes what the last run's makes.
    count : int
        How many runs there are.
    names : tuple of str
        Of the last box of each run.
    """

    inner: Diagram
    count: int
    names: tuple[str, ...]


Node = Box | Group


@dataclass(frozen=True)
class Diagram:
    """Nodes in the order they run, and the arrows between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def diagram(net: Net) -> Diagram:
    """Return the boxes and arrows of ``net``, nothing grouped yet."""
    real = [layer for layer in net.layers if layer.type != ALIAS]
    same = {
        written: read
        for layer in net.layers
        if layer.type == ALIAS
        for written, read in zip(layer.writes, layer.reads, strict=False)
    }
    readers = Counter(_origin(value, same) for layer in real for value in layer.reads)
    boxes: list[list[LayerDef]] = []
    makers: dict[str, int] = {}
    edges: dict[Edge, None] = {}
    for layer in real:
        reads = [_origin(value, same) for value in layer.reads]
        home = makers.get(reads[0]) if len(reads) == 1 else None
        if home is not None and readers[reads[0]] == 1 and _joins(layer, boxes[home], reads[0]):
            boxes[home].append(layer)
        else:
            home = len(boxes)
            boxes.append([layer])
            edges.update(_arrows(reads, home, makers))
        makers.update(dict.fromkeys(layer.writes, home))
    return Diagram(tuple(Box(tuple(layers)) for layers in boxes), tuple(edges))


def _arrows(reads: Iterable[str], target: int, makers: dict[str, int]) -> dict[Edge, None]:
    return {Edge(makers[v], target, v): None for v in reads if v in makers}


def _origin(value: str, same: dict[str, str]) -> str:
    while value in same:
        value = same[value]
    return value


def _joins(layer: LayerDef, box: list[LayerDef], value: str) -> bool:
    """Return whether ``layer`` is drawn in the box that makes the value it reads."""
    last = box[-1]
    if not last.bottoms or last.writes != (value,) or len(layer.tops) != 1:
        return False
    if layer.bottoms == layer.tops:
        return True
    return kind(layer) in _JOINED and layer.type not in _ALONE
