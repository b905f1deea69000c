"""The walk over a captured graph: each operation becomes layers, or a problem."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload

from bigdl_caffe.errors import CaffeError, UnsupportedLayerError
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.capture import Captured
from bigdl_caffe.from_torch.ops import OPS
from bigdl_caffe.from_torch.problems import Problems, place_of
from bigdl_caffe.from_torch.values import Top, Weight
from bigdl_caffe.graph.ir import Shape

UNKNOWN = "?"
"""The blob that an operation without a layer makes, so that those behind it can be checked."""


def trace(captured: Captured) -> tuple[Builder, list[tuple[str, Top]]]:
    """Return the layers of ``captured``, and its outputs with what they are called.

    Raises
    ------
    UnsupportedLayerError
        With every operation that Caffe has no layer for.
    """
    walk = _Walk(captured)
    for node in _needed(captured):
        walk.values[node] = walk.value(node)
    walk.problems.check()
    returned = walk.known(captured.output.args[0])
    named = zip(captured.outputs, returned, strict=True)
    builder = walk.builder
    builder.place, builder.of_module = "output", False
    tops = [(name, builder.top(value, "")) for name, value in named if _is_blob(value)]
    return builder, tops


def _is_blob(value: object) -> bool:
    return isinstance(value, Top | Weight)


def _needed(captured: Captured) -> Iterator[fx.Node]:
    """Yield the inputs and what the outputs depend on, in order."""
    needed, todo = set(), [captured.output]
    while todo:
        node = todo.pop()
        if node not in needed:
            needed.add(node)
            todo += node.all_input_nodes
    for node in captured.graph.nodes:
        if node.op == "placeholder" or (node in needed and node is not captured.output):
            yield node


class _Walk:
    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        self.builder = Builder(captured.modules, captured.outputs)
        self.values: dict[fx.Node, Any] = {}
        self.problems = Problems()

    def known(self, args: Any) -> Any:
        """Return ``args`` with what its nodes have computed in their place."""
        return fx.node.map_arg(args, self.values.__getitem__)

    def value(self, node: fx.Node) -> Any:
        """Return what ``node`` computes."""
        if node.op == "placeholder":
            return self._placeholder(node)
        args, kwargs = self.known((node.args, node.kwargs))
        if node.target is operator.getitem:
            return operator.getitem(*args)
        try:
            return self._compute(node, args, kwargs)
        except CaffeError as error:
            self.problems.add(node, error)
            return _unknown(node.meta.get("val"))

    def _placeholder(self, node: fx.Node) -> Any:
        if node.name in self.captured.weights:
            return self.captured.weights[node.name]
        given = node.meta.get("val")
        if not isinstance(given, Tensor):
            return given
        return self.builder.input(node.name, tuple(given.shape))

    def _compute(self, node: fx.Node, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if not isinstance(node.target, OpOverload):
            raise UnsupportedLayerError("Caffe has no layer for it")
        flat = list(_flat((args, kwargs)))
        if not any(isinstance(value, Top) for value in flat):
            return _fold(node.target, args, kwargs, flat)
        handler = OPS.get(str(node.target).removeprefix("aten."))
        if handler is None:
            raise UnsupportedLayerError("Caffe has no layer for it")
        self._go_to(node)
        value = handler(self.builder, *_in_order(node.target, args, kwargs))
        _check(value, self.builder.result)
        return value

    def _go_to(self, node: fx.Node) -> None:
        """Tell the builder what the layers of ``node`` are called, and what comes out."""
        path, operation = place_of(node), node.target.overloadpacket.__name__  # type: ignore[union-attr]  # an OpOverload here
        leaf = path in self.captured.leaves
        self.builder.of_module = leaf
        self.builder.place = path if leaf else ".".join(filter(None, (path, operation)))
        shapes = list(_flat(_unknown(node.meta["val"])))
        self.builder.result = shapes[0].shape
        items = [user.args[1] for user in node.users if user.target is operator.getitem]
        self.builder.used = frozenset(i for i in items if isinstance(i, int))


def _flat(value: Any) -> Iterator[Any]:
    """Yield what is in nested sequences and dicts."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return nested sequences with every item changed."""
    if isinstance(value, list | tuple):
        return tuple(_mapped(item, change) for item in value)
    return change(value)


def _unknown(meta: Any) -> Any:
    """Return tops of the shapes that torch gives, for what has no layer."""
    return _mapped(meta, lambda v: Top(UNKNOWN, tuple(v.shape)) if isinstance(v, Tensor) else v)


def _in_order(target: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
    """Return every argument of ``target`` by position, with the defaults of its schema."""
    known = target._schema.arguments
    given = {arg.name: value for arg, value in zip(known, args, strict=False)} | kwargs
    return [given.get(arg.name, arg.default_value) for arg in known]


def _fold(
    target: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], flat: Sequence[Any]
) -> Any:
    """Compute what depends on no input."""
    if torch.Tag.nondeterministic_seeded in target.tags:
        raise UnsupportedLayerError("its numbers are drawn at random; Caffe has no layer for it")
    bare = fx.node.map_aggregate((tuple(args), kwargs), _tensor)
    with torch.no_grad():
        made = target(*bare[0], **bare[1])
    learned = any(isinstance(value, Weight) and value.learned for value in flat)
    return _mapped(made, lambda v: Weight(v, learned=learned) if isinstance(v, Tensor) else v)


def _tensor(value: Any) -> Any:
    return value.tensor if isinstance(value, Weight) else value


def _check(value: Any, wanted: Shape) -> None:
    """Raise where layers give another shape than torch: the operation is not theirs, then.

    Of several results the first is looked at: torch 2.4 tells an LSTM's others wrong.
    """
    first = next(_flat(value))
    if isinstance(first, Top | Weight) and first.shape != wanted:
        raise UnsupportedLayerError(f"it gives {wanted}, where Caffe's layers give {first.shape}")
