"""Programs of int8 nets: in floats anywhere, and by oneDNN's int8 kernels where they are.

Both round the same values at the same places. In the second, a rounded value is held as the
uint8 numbers themselves, from the layer that makes it to those that read it; max pooling and
concatenation keep them as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import nn

from bigdl_caffe.engine.fused import NO_ACTIVATION, Activation, Joined
from bigdl_caffe.engine.int8_layers import (
    ACTIVATIONS,
    Activate,
    Dequantize,
    Int8Layer,
    Int8MaxPool,
    Quantize,
)
from bigdl_caffe.engine.program import Op, Program
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.nn.elementwise import Concat
from bigdl_caffe.nn.pooling import MaxPool
from bigdl_caffe.nn.quantized import Keep, Layer, Round, Whole, is_int8, with_floats
from bigdl_caffe.weights.scheme import LEAST, MOST, Scheme, Steps

MADE, FLOATS = ":made", ":floats"
"""Behind a value's name: what is to be rounded yet; the floats that its whole numbers mean."""


@cache
def available() -> bool:
    """Return whether this torch, on this processor, multiplies int8 exactly, and fast.

    Without VNNI, oneDNN adds pairs of products in 16 bits, which may not be enough.
    """
    wanted = ("qconv_prepack", "qconv2d_pointwise", "qlinear_prepack", "qlinear_pointwise")
    names = set(torch._C._dispatch_get_all_op_names())
    has = getattr(torch.cpu, "_is_vnni_supported", lambda: False)
    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch's
    return built and bool(has()) and all(f"onednn::{w}" in names for w in wanted)


def in_floats(program: Program, scheme: Scheme) -> Program:
    """Return ``program`` with int8 weights multiplied out, and values rounded, in floats."""
    values = scheme.values
    feeds, ops = _fed(program, values, _round)
    for op in program.ops:
        ops += _rounded(replace(op, module=_in_floats(op, values)), values, _round)
    return replace(program, feeds=feeds, ops=tuple(ops))


def _in_floats(op: Op, values: Mapping[str, Steps]) -> Callable[..., object]:
    joined = op.module if isinstance(op.module, Joined) else None
    first = joined.first if joined else op.module
    if not is_int8(first):
        return op.module
    steps = values.get(op.reads[0])
    whole = Whole(first, steps.scale if steps else None)
    if joined is None:
        return whole
    return Joined(whole, joined.activation, joined.adds)  # type: ignore[arg-type]  # as good a first


def multiplied_out(program: Program) -> Program:
    """Return ``program`` with float weights, for a net whose weights alone are int8."""
    return program.with_ops([replace(op, module=in_float_weights(op.module)) for op in program.ops])


def in_float_weights(
    module: Callable[..., object], keep: Keep = lambda make: make()
) -> Callable[..., object]:
    """Return an operation's module with float weights; see `nn.quantized.with_floats`."""
    joined = module if isinstance(module, Joined) else None
    first = joined.first if joined else module
    if not is_int8(first):
        return module
    floats = with_floats(first, keep)
    return Joined(floats, joined.activation, joined.adds) if joined else floats


Rounding = Callable[[Steps], nn.Module]


def _round(steps: Steps) -> nn.Module:
    return Round(steps.scale, steps.zero, LEAST, MOST)


def _fed(
    program: Program, values: Mapping[str, Steps], rounding: Rounding
) -> tuple[dict[str, str], list[Op]]:
    """Return the feeds of a program, and the operations that round them."""
    feeds = {b: v + MADE if v in values else v for b, v in program.feeds.items()}
    made = {v for op in program.ops if not op.reads for v in op.writes}  # layers that fill it
    todo = [v for v in dict.fromkeys(program.feeds.values()) if v in values and v not in made]
    return feeds, [Op(rounding(values[v]), (v + MADE,), (v,), ()) for v in todo]


def _rounded(op: Op, values: Mapping[str, Steps], rounding: Rounding) -> Iterator[Op]:
    """Yield an operation that makes floats, and those that round them."""
    yield replace(op, writes=tuple(v + MADE if v in values else v for v in op.writes))
    for v in op.writes:
        if v in values:
            yield Op(rounding(values[v]), (v + MADE,), (v,), ())


def in_kernels(program: Program, scheme: Scheme) -> Program:
    """Return ``program`` with int8 kernels, whose weights `Int8Layer.packed` packs later."""
    placing = _Placing(program, scheme.values)
    return placing.placed()


def shapes_in(program: Program, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return the shapes of a placed program's values, from those of the net's."""
    values = {v for op in program.ops for v in (*op.reads, *op.writes)}
    plain = {v: v.removesuffix(MADE).removesuffix(FLOATS) for v in values}
    return {v: shapes[name] for v, name in plain.items() if name in shapes}


@dataclass
class _Placing:
    """A program on its way to whole numbers: values that are rounded are uint8 in it."""

    program: Program
    values: Mapping[str, Steps]

    def placed(self) -> Program:
        feeds, ops = _fed(self.program, self.values, Quantize)
        self.ops, self.floats = ops, set[str]()
        for i, op in enumerate(self.program.ops):
            self._place(i, op)
        outputs = {blob: self._as_floats(v) for blob, v in self.program.outputs.items()}
        return Program(feeds, tuple(self.ops), outputs)

    def _place(self, i: int, op: Op) -> None:
        joined = op.module if isinstance(op.module, Joined) else None
        first = joined.first if joined else op.module
        if is_int8(first) and op.reads[0] in self.values:
            self._place_layer(i, op, first, joined)
        elif self._keeps_numbers(op):
            module = Int8MaxPool(op.module) if isinstance(op.module, MaxPool) else op.module
            self.ops.append(replace(op, module=module))
        else:
            module = in_float_weights(op.module)
            reads = tuple(self._as_floats(v) for v in op.reads)
            self.ops += _rounded(replace(op, module=module, reads=reads), self.values, Quantize)

    def _place_layer(self, i: int, op: Op, first: Layer, joined: Joined | None) -> None:
        activation = joined.activation if joined else NO_ACTIVATION
        (top,), others = op.writes, op.reads[1:]
        steps = self.values.get(top)
        behind = NO_ACTIVATION
        if activation.name not in ACTIVATIONS[type(first), bool(others)]:
            activation, behind = NO_ACTIVATION, activation
        whole = steps is not None and behind == NO_ACTIVATION
        whole = whole and all(v in self.values for v in others)
        if not whole:
            others = tuple(self._as_floats(v) for v in others)
        layer = Int8Layer(
            first,
            activation,
            self.values[op.reads[0]],
            steps if whole else None,
            self.values[others[0]] if whole and others else None,
            adds=bool(others),
            spares=not whole or self._is_needed(i, op.reads),
        )
        made = replace(op, module=layer, reads=(op.reads[0], *others))
        if whole or (steps is None and behind == NO_ACTIVATION):
            self.ops.append(made)
        else:
            self._finish(made, behind)

    def _finish(self, op: Op, behind: Activation) -> None:
        """Do to a float top what the kernel does not."""
        (top,) = op.writes
        if behind == NO_ACTIVATION:
            self.ops += _rounded(op, self.values, Quantize)
            return
        self.ops.append(replace(op, writes=(top + FLOATS + MADE,)))
        activate = Op(Activate(behind), (top + FLOATS + MADE,), (top,), ())
        self.ops += _rounded(activate, self.values, Quantize)

    def _keeps_numbers(self, op: Op) -> bool:
        """Return whether an operation may be done to whole numbers, which stay what they mean."""
        module = op.module
        pools = type(module) is MaxPool and Int8MaxPool.takes(module)
        if not pools and type(module) is not Concat:
            return False
        steps = {self.values.get(v) for v in (*op.reads, *op.writes)}
        return len(steps) == 1 and None not in steps

    def _as_floats(self, value: str) -> str:
        if value not in self.values:
            return value
        name = value + FLOATS
        if name not in self.floats:
            self.floats.add(name)
            self.ops.append(Op(Dequantize(self.values[value]), (value,), (name,), ()))
        return name

    def _is_needed(self, i: int, reads: tuple[str, ...]) -> bool:
        """Return whether the last of an operation's bottoms is read besides it, or twice."""
        later = {v for op in self.program.ops[i + 1 :] for v in op.reads}
        return reads[-1] in {*later, *reads[:-1], *self.program.outputs.values()}
