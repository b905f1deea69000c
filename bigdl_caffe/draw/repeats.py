"""Blocks that a net repeats, drawn once: the 36 alike of ResNet-152 are one, "× 36"."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from bigdl_caffe.draw.diagram import OUTSIDE, Box, Diagram, Edge, Group, Node
from bigdl_caffe.draw.regions import Link, chains
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape

PERIODS = 8
"""A block is at most so many links of a chain."""
WORTH = 2
"""Nodes that a group has to save: two equal convolutions are easier to read than one, "× 2"."""
NAMES = ("name", "bottom", "top", "blobs", "param", "include", "exclude", "unknown_field")
"""Fields in which layers that do the same may differ."""

Shapes = Mapping[str, Shape]


@dataclass(frozen=True)
class _Run:
    """``count`` times the same nodes: ``period`` links of a chain, from ``start`` on."""

    chain: Sequence[Link]
    start: int
    period: int
    count: int

    @property
    def saved(self) -> int:
        ends = self.start + self.period, self.start + self.period * self.count
        return sum(len(link.members) for link in self.chain[ends[0] : ends[1]])

    def members(self, turn: int) -> list[int]:
        """Return the nodes of one of the times."""
        first = self.start + turn * self.period
        return [node for link in self.chain[first : first + self.period] for node in link.members]


def grouped(diagram: Diagram, shapes: Shapes) -> Diagram:
    """Return ``diagram`` with each run of equal blocks as a `Group`, those within groups too.

    Parameters
    ----------
    diagram : Diagram
    shapes : mapping of str to Shape
        As ``Net.shapes``: equal blocks have equal shapes where these are known.
    """
    while run := _best(diagram, shapes):
        diagram = _with_group(diagram, run, shapes)
    return diagram


def _best(diagram: Diagram, shapes: Shapes) -> _Run | None:
    signs = [_sign(node, shapes) for node in diagram.nodes]
    into: list[list[Edge]] = [[] for _ in diagram.nodes]
    for edge in diagram.edges:
        into[edge.target].append(edge)
    best: _Run | None = None
    lines = [(e.source, e.target) for e in diagram.edges if e.source != OUTSIDE]
    for chain in chains(len(diagram.nodes), lines):
        links = [_link_sign(link, signs, into, diagram) for link in chain]
        for start in range(len(links)):
            for period in range(1, min(PERIODS, (len(links) - start) // 2) + 1):
                run = _Run(chain, start, period, _times(links, start, period))
                if run.count > 1 and run.saved >= WORTH and (not best or run.saved > best.saved):
                    best = run
    return best


def _times(links: Sequence[Hashable], start: int, period: int) -> int:
    count, block = 1, links[start : start + period]
    while links[start + count * period : start + (count + 1) * period] == block:
        count += 1
    return count


def _link_sign(
    link: Link, signs: Sequence[Hashable], into: Sequence[Sequence[Edge]], diagram: Diagram
) -> Hashable:
    place = {node: i for i, node in enumerate(link.members)}
    return tuple(
        (signs[node], tuple((place.get(e.source, -1), _port(e, diagram)) for e in into[node]))
        for node in link.members
    )


def _port(edge: Edge, diagram: Diagram) -> int:
    """Return which of its source's tops an edge carries; -1 for one of a layer in between."""
    node = diagram.nodes[edge.source] if edge.source != OUTSIDE else None
    writes = node.layers[-1].writes if isinstance(node, Box) else ()
    return writes.index(edge.value) if edge.value in writes else -1


def _sign(node: Node, shapes: Shapes) -> Hashable:
    """Return what two nodes that do the same have in common."""
    if isinstance(node, Box):
        return tuple(_layer_sign(layer, shapes) for layer in node.layers)
    signs = tuple(_sign(inner, shapes) for inner in node.inner.nodes)
    return node.count, signs, tuple((e.source, e.target) for e in node.inner.edges)


def _layer_sign(layer: LayerDef, shapes: Shapes) -> Hashable:
    param = pb.LayerParameter()
    param.CopyFrom(layer.param)
    for name in NAMES:
        param.ClearField(name)
    unknown = tuple((item.path, item.text) for item in layer.param.unknown_field)
    sizes = tuple(shapes.get(value) for value in (*layer.reads, *layer.writes))
    return layer.type, param.SerializeToString(deterministic=True), unknown, sizes


def _with_group(diagram: Diagram, run: _Run, shapes: Shapes) -> Diagram:
    kept, last = run.members(0), run.members(run.count - 1)[-1]
    gone = {node for turn in range(run.count) for node in run.members(turn)}
    place = {node: i for i, node in enumerate(kept)}
    inner_edges = tuple(
        Edge(place.get(edge.source, OUTSIDE), place[edge.target], edge.value)
        for edge in diagram.edges
        if edge.target in place
    )
    inner = Diagram(tuple(diagram.nodes[node] for node in kept), inner_edges)
    names = tuple(_name(diagram.nodes[run.members(turn)[-1]]) for turn in range(run.count))
    group = Group(grouped(inner, shapes), run.count, names)
    order = [node for node in range(len(diagram.nodes)) if node not in gone or node == kept[0]]
    new = {node: i for i, node in enumerate(order)} | {last: order.index(kept[0])}
    nodes = tuple(group if node == kept[0] else diagram.nodes[node] for node in order)
    edges = {
        replace(edge, source=new.get(edge.source, OUTSIDE), target=target): None
        for edge in diagram.edges
        if (target := _target(edge, gone, kept, new)) is not None
    }
    return Diagram(nodes, tuple(edges))


def _target(edge: Edge, gone: set[int], kept: Sequence[int], new: Mapping[int, int]) -> int | None:
    """Return where an edge leads in the new diagram; None for those within the group's runs."""
    if edge.target not in gone:
        return new[edge.target]
    comes_in = edge.target in kept and edge.source not in gone
    return new[kept[0]] if comes_in else None


def _name(node: Node) -> str:
    return node.name if isinstance(node, Box) else node.names[-1]
