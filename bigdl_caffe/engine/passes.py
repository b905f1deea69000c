"""Programs to programs that do the same in fewer operations. Nothing given is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

from torch import nn

from bigdl_caffe.engine.fused import NO_ACTIVATION, Joined, activation
from bigdl_caffe.engine.program import Op, Program
from bigdl_caffe.nn.convolution import Convolution
from bigdl_caffe.nn.dense import InnerProduct
from bigdl_caffe.nn.elementwise import Concat, Sum
from bigdl_caffe.nn.shaping import Split


def optimised(program: Program) -> Program:
    """Return ``program`` after all `PASSES`."""
    return reduce(lambda now, apply: apply(now), PASSES, program)


def without_copies(program: Program) -> Program:
    """Leave out what only hands its bottom on: Dropout when scoring, Split, Concat of one.

    What stays makes new memory, which int8 kernels overwrite where nothing else reads it.
    """
    same: dict[str, str] = {}
    ops = []
    for op in program.ops:
        reads = tuple(same.get(value, value) for value in op.reads)
        if type(op.module) in COPIES or (type(op.module) is Concat and len(reads) == 1):
            same |= dict.fromkeys(op.writes, reads[0])
        else:
            ops.append(replace(op, reads=reads))
    outputs = {blob: same.get(value, value) for blob, value in program.outputs.items()}
    return replace(program, ops=tuple(ops), outputs=outputs)


COPIES = (nn.Identity, Split)
"""Modules whose tops are their bottom."""


def with_activations(program: Program) -> Program:
    """Join activations to the layer before them, where nothing else reads that."""
    return join_pairs(program, _activated)


def with_sums(program: Program) -> Program:
    """Join a sum of two to the convolution that makes one of them, if only the sum reads it."""
    return join_pairs(program, _summed)


PASSES: Sequence[Callable[[Program], Program]] = (
    without_copies,
    with_sums,  # before activations: behind a sum, the activation is the sum's
    with_activations,
)

Join = Callable[[Op, Sequence[Op]], "tuple[Op, Op | None] | None"]
"""An operation, and makers of its bottoms that nothing else reads → the one operation that does
both, and the maker that is in it, if one is."""


def join_pairs(program: Program, join: Join) -> Program:
    """Replace pairs of operations by what ``join`` makes of them, at the second one's place."""
    readers = program.reader_counts()
    makers: dict[str, Op] = {}
    gone: set[tuple[str, ...]] = set()
    ops = []
    for op in program.ops:
        own = [makers[v] for v in op.reads if v in makers and readers[v] == 1]
        now, maker = join(op, own) or (op, None)
        if maker:
            gone.add(maker.layers)
        ops.append(now)
        makers |= dict.fromkeys(now.writes, now)
    return program.with_ops([op for op in ops if op.layers not in gone])


def _activated(op: Op, makers: Sequence[Op]) -> tuple[Op, Op] | None:
    function = activation(op.module)
    if function is None or not makers:
        return None
    (maker,) = makers
    module = maker.module
    if isinstance(module, Joined) and module.activation == NO_ACTIVATION:
        joined = Joined(module.first, function, module.adds)
    elif type(module) in HOSTS and _is_plain(maker):
        joined = Joined(module, function)  # type: ignore[arg-type]  # one of HOSTS
    else:
        return None
    return Op(joined, maker.reads, op.writes, (*maker.layers, *op.layers)), maker


def _summed(op: Op, makers: Sequence[Op]) -> tuple[Op, Op] | None:
    module = op.module
    if type(module) is not Sum or module.coefficients != (1, 1) or module.in_place:
        return None
    plain = [maker for maker in makers if type(maker.module) is Convolution and _is_plain(maker)]
    if not plain or op.reads[0] == op.reads[1]:
        return None
    maker = plain[-1]
    (other,) = (value for value in op.reads if value not in maker.writes)
    joined = Joined(maker.module, adds=True)  # type: ignore[arg-type]  # a Convolution
    return Op(joined, (*maker.reads, other), op.writes, (*maker.layers, *op.layers)), maker


HOSTS = (Convolution, InnerProduct, Sum)
"""Modules whose result may be overwritten, if they have one bottom's or sum several up."""


def _is_plain(op: Op) -> bool:
    """Return whether the operation's one top is new memory."""
    module = op.module
    if isinstance(module, Sum):
        return not module.in_place and len(op.reads) > 1
    return len(op.reads) == len(op.writes) == 1
