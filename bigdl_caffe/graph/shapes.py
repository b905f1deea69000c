"""Shape inference over a whole net, reporting every problem at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Protocol

from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.graph.ir import INT_MAX, LayerDef, Shape


class ShapeRule(Protocol):
    """What a layer type must answer for its shapes to be inferred."""

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the shapes of the tops, given those of the bottoms."""
        ...

    def fed_shapes(self, given: Mapping[str, Shape]) -> list[Shape]:
        """Return the shapes of the tops of a layer without bottoms, given some of them."""
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
    read = {value for layer in layers for value in layer.reads}
    for layer, rule in zip(layers, rules, strict=True):
        if any(value not in shapes for value in layer.reads):
            continue
        try:
            shapes.update(inferred(layer, rule, shapes, given, read))
        except CaffeError as error:
            if read and not layer.bottoms and read.isdisjoint(layer.writes):
                continue  # an input that nothing reads needs no shape
            problems.extend(f"{layer}: {problem}" for problem in error.problems)
    if problems:
        raise ShapeError(*problems)
    return shapes


def inferred(
    layer: LayerDef,
    rule: ShapeRule,
    shapes: Mapping[str, Shape],
    given: Mapping[str, Shape],
    read: Collection[str],
) -> dict[str, Shape]:
    """Return the shapes of what one layer makes.

    Parameters
    ----------
    layer, rule, given
        As for `infer`.
    shapes : mapping of str to Shape
        Of the values that it reads.
    read : collection of str
        The values that some layer reads.

    Raises
    ------
    CaffeError
        Its bottoms do not fit.
    """
    return _given(layer, given, read) or _inferred(layer, rule, shapes, given)


def _given(layer: LayerDef, given: Mapping[str, Shape], read: Collection[str]) -> dict[str, Shape]:
    """Return the shapes of an input layer's tops when the caller gave all that matter."""
    tops = dict(zip(layer.writes, layer.tops, strict=True))
    if layer.bottoms or any(v in read and blob not in given for v, blob in tops.items()):
        return {}
    return {value: tuple(given[blob]) for value, blob in tops.items() if blob in given}


def _inferred(
    layer: LayerDef, rule: ShapeRule, shapes: Mapping[str, Shape], given: Mapping[str, Shape]
) -> dict[str, Shape]:
    bottoms = [shapes[value] for value in layer.reads]
    made = rule.top_shapes(bottoms) if bottoms else rule.fed_shapes(given)
    tops = _per_top(layer, made)
    for blob, shape in zip(layer.tops, tops, strict=True):
        if any(size < 1 for size in shape):
            raise ShapeError(
                f"its top '{blob}' would have shape {shape}, from bottoms {bottoms}: "
                "the input is too small for it; give a larger one by input_shapes"
            )
        if prod(shape) > INT_MAX:  # as Blob::Reshape
            raise ShapeError(
                f"its top '{blob}' would have shape {shape}, more than the {INT_MAX} numbers that "
                "a blob can hold: check pad, num_output and the input shape"
            )
    return dict(zip(layer.writes, tops, strict=True))


def _per_top(layer: LayerDef, made: object) -> list[Shape]:
    """Return ``made`` as shapes; raise where a custom layer's rule gives no such thing."""
    try:
        shapes = [tuple(int(size) for size in shape) for shape in made]  # type: ignore[attr-defined]  # or TypeError
    except (TypeError, ValueError):
        shapes = []
    if len(shapes) != len(layer.tops):
        raise ShapeError(
            f"its type's top_shapes gives {made!r} for {len(layer.tops)} tops: return a list of "
            "one shape a top"
        )
    return shapes
