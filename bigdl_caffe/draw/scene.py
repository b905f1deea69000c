"""A diagram as items of a picture: sizes, places, words and colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bigdl_caffe.draw.box import drawn_box
from bigdl_caffe.draw.diagram import OUTSIDE, Box, Diagram, Group, Node
from bigdl_caffe.draw.items import GREY, Item, Panel, Point, Wire, Words, shortened, text_width
from bigdl_caffe.draw.layered import Layout, layered
from bigdl_caffe.draw.regions import chains
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.graph.summary import format_shape

ACROSS, DOWN = 26.0, 32.0
"""The least distance between two boxes of a layer, and between layers."""
SMALL = 10
"""Size of a shape's letters."""
PAD, HEAD = 14.0, 34.0
"""Around a group, and above it, where its name stands."""
LETTERS = 24
"""Of a name that a group shows."""

Shapes = Mapping[str, Shape]


@dataclass(frozen=True)
class Scene:
    """Items with places of their own, the upper left corner at (0, 0).

    A line enters it at the middle of the top, and leaves it at that of the bottom.

    Attributes
    ----------
    inlet, outlet : float
        How far right the lines from outside begin, and where its last node has its middle.
    """

    width: float
    height: float
    items: tuple[Item, ...]
    inlet: float = 0.0
    outlet: float = 0.0


def scene(diagram: Diagram, shapes: Shapes, ends: bool = True) -> Scene:
    """Return the places and words of ``diagram``.

    Parameters
    ----------
    diagram : Diagram
    shapes : mapping of str to Shape
        As ``Net.shapes``; values that it lacks are drawn without.
    ends : bool
        Whether to say the shapes of what no node reads.
    """
    parts = [_drawn(node, shapes) for node in diagram.nodes]
    shift = int(any(edge.source == OUTSIDE for edge in diagram.edges))  # node 0 is outside then
    sizes = [(0.0, 0.0)] * shift + [(part.width, part.height) for part in parts]
    lines = [(edge.source + shift, edge.target + shift) for edge in diagram.edges]
    links = (link for chain in chains(len(sizes), lines) for link in chain)
    below = {link.members[-1]: link.entry for link in links}
    plan = layered(sizes, lines, below, ACROSS, DOWN)
    tops = plan.tops[shift:]
    items: list[Item] = [Wire(route) for route in plan.routes]
    for part, (x, y) in zip(parts, tops, strict=True):
        items += moved(part.items, x - part.width / 2, y)
    items += _shape_words(diagram, plan, shapes)
    items += _output_words(diagram, tops, parts, shapes) if ends else ()
    return Scene(plan.width, plan.height, tuple(items), plan.tops[0][0], plan.tops[-1][0])


def moved(items: Sequence[Item], right: float, down: float) -> Iterator[Item]:
    """Yield ``items``, moved."""
    for item in items:
        if isinstance(item, Wire):
            yield replace(item, points=tuple((x + right, y + down) for x, y in item.points))
        else:
            yield replace(item, x=item.x + right, y=item.y + down)


def _drawn(node: Node, shapes: Shapes) -> Scene:
    if isinstance(node, Box):
        return Scene(*drawn_box(node))
    return _group(node, shapes)


def _group(group: Group, shapes: Shapes) -> Scene:
    """Return what is repeated, in a frame that says how often."""
    inner = scene(group.inner, shapes, ends=False)
    first, last = (shortened(name, LETTERS) for name in (group.names[0], group.names[-1]))
    head = f"× {group.count}   {first} to {last}"
    left = max(inner.inlet, text_width(head, SMALL + 1, bold=True))  # beside the line that comes in
    reach = max(left, inner.width - inner.inlet) + PAD
    height = HEAD + inner.height + PAD
    right = reach - inner.inlet
    way_in: tuple[Point, ...] = ((reach, 0.0), (reach, HEAD))
    way_out: tuple[Point, ...] = ((right + inner.outlet, HEAD + inner.height), (reach, height))
    items = (
        Panel(0, 0, 2 * reach, height, "#f7f9fb", "#9aa5b1", 8.0, dashed=True, told=_all(group)),
        Wire(way_in, arrow=False),
        Wire(way_out, arrow=False),
        *moved(inner.items, right, HEAD),
        Words(PAD / 2, 14, head, SMALL + 1, "#37474f", bold=True, centred=False),
    )
    return Scene(2 * reach, height, items)


def _all(group: Group) -> str:
    return f"{group.count} times the same:\n" + "\n".join(group.names)


def _shape_words(diagram: Diagram, plan: Layout, shapes: Shapes) -> Iterator[Words]:
    """Yield each value's shape once: where it leaves its box, or, of several, at their ends."""
    values: dict[int, set[str]] = {}
    for edge in diagram.edges:
        values.setdefault(edge.source, set()).add(edge.value)
    told: set[str] = set()
    for edge, route in zip(diagram.edges, plan.routes, strict=True):
        if edge.source == OUTSIDE or edge.value in told or edge.value not in shapes:
            continue
        told.add(edge.value)
        alone = len(values[edge.source]) == 1
        x, y = route[0] if alone else route[-1]
        yield _shape(edge.value, x, y + 11 if alone else y - 8, shapes)


def _output_words(
    diagram: Diagram, tops: Sequence[Point], parts: Sequence[Scene], shapes: Shapes
) -> Iterator[Words]:
    """Yield the shapes of what no box reads, below the boxes that make it."""
    read = {edge.value for edge in diagram.edges}
    sources = {edge.source for edge in diagram.edges}
    for i, node in enumerate(diagram.nodes):
        if i in sources or isinstance(node, Group):
            continue
        made = [value for value in node.layers[-1].writes if value in shapes and value not in read]
        for line, value in enumerate(made):
            x, y = tops[i]
            yield _shape(value, x, y + parts[i].height + 12 * (line + 1), shapes)


def _shape(value: str, x: float, y: float, shapes: Shapes) -> Words:
    return Words(x + 5, y, format_shape(shapes[value]), SMALL, GREY, centred=False)
