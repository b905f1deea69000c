"""A diagram as DOT, for Graphviz and what reads its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bigdl_caffe.draw.diagram import Box, Diagram
from bigdl_caffe.draw.kinds import COLOURS, kind
from bigdl_caffe.draw.words import told
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.graph.summary import format_shape


def as_dot(diagram: Diagram, shapes: Mapping[str, Shape], name: str) -> str:
    """Return the file's text.

    Parameters
    ----------
    diagram : Diagram
        Without groups: Graphviz has none that stand for several.
    shapes : mapping of str to Shape
        Of its values, as far as they are known.
    name : str
        The net's.
    """
    head = [f"digraph {_quoted(name)} {{", '  node [shape=box, style="rounded,filled"];']
    return "\n".join([*head, *_lines(diagram, shapes), "}\n"])


def _lines(diagram: Diagram, shapes: Mapping[str, Shape]) -> Iterator[str]:
    for i, box in enumerate(diagram.nodes):
        assert isinstance(box, Box)  # as the docstring asks
        first, *joined = box.layers
        words = [first.name, told(first), *(layer.type for layer in joined)]
        fill, border = COLOURS[kind(first)]
        look = f'fillcolor="{fill}", color="{border}"'
        yield f"  n{i} [label={_quoted(chr(10).join(words))}, {look}];"
    for edge in diagram.edges:
        shape = format_shape(shapes[edge.value]) if edge.value in shapes else ""
        yield f"  n{edge.source} -> n{edge.target} [label={_quoted(shape)}];"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
