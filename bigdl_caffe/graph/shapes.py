"""Shape inference over a whole net, reporting every problem at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape


class ShapeRule(Protocol):
    """What a layer type must answer for its shapes to be inferred."""

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the shapes of the tops, given those of the bottoms."""
        ...


def infer(
    layers: Sequence[LayerDef],
    rules: Sequence[ShapeRule],
    given: Mapping[str, Shape],
) -> dict[str, Shape]:
    """Return the shape of every value.

    Parameters
    ----------
    layers : sequence of LayerDef
        With values named.
    rules : sequence of ShapeRule
        One for each layer.
    given : mapping of str to Shape
        Shapes of input blobs that override what the definition declares.

    Raises
    ------
    ShapeError
        With one problem for each layer whose bottoms do not fit. Layers behind it
        are not reported: their trouble is not their own.
    """
    shapes: dict[str, Shape] = {}
    problems: list[str] = []
    for layer, rule in zip(layers, rules, strict=True):
        if any(value not in shapes for value in layer.reads):
            continue
        try:
            tops = _tops(layer, rule, [shapes[v] for v in layer.reads], given)
        except CaffeError as error:
            problems.extend(f"{layer}: {problem}" for problem in error.problems)
            continue
        shapes.update(zip(layer.writes, tops, strict=True))
    if problems:
        raise ShapeError(*problems)
    return shapes


def _tops(
    layer: LayerDef, rule: ShapeRule, bottoms: list[Shape], given: Mapping[str, Shape]
) -> list[Shape]:
    if not bottoms and all(blob in given for blob in layer.tops):
        return [tuple(given[blob]) for blob in layer.tops]
    tops = [tuple(shape) for shape in rule.top_shapes(bottoms)]
    if not bottoms:
        return [tuple(given.get(b, s)) for b, s in zip(layer.tops, tops, strict=True)]
    empty = [(b, s) for b, s in zip(layer.tops, tops, strict=True) if any(d < 1 for d in s)]
    if empty:
        blob, shape = empty[0]
        raise ShapeError(
            f"its top '{blob}' would have shape {shape}, from bottoms {bottoms}: "
            "the input is too small for it; give a larger one by input_shapes"
        )
    return tops
