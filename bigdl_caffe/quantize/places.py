"""Which layers of a net become int8, and which values are rounded for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bigdl_caffe.engine.fused import Joined
from bigdl_caffe.engine.program import Op, Program
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.nn.convolution import Convolution
from bigdl_caffe.nn.dense import InnerProduct
from bigdl_caffe.nn.elementwise import Concat
from bigdl_caffe.nn.pooling import MaxPool
from bigdl_caffe.weights.slots import Slot


@dataclass(frozen=True)
class Places:
    """Where a net is rounded.

    Attributes
    ----------
    layers : tuple of str
        Submodules of the net that become int8.
    groups : tuple of tuple of str
        Values that are rounded; those of one group to the same numbers.
    """

    layers: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]


def places(program: Program, weights: Collection[str]) -> Places:
    """Return where ``program`` is rounded.

    Parameters
    ----------
    program : Program
        After all passes.
    weights : collection of str
        Submodules that may become int8.

    Returns
    -------
    Places
        Rounded are the bottoms of int8 layers, and what a sum adds to such a layer's top. Where
        max pooling or concatenation makes such a value, its bottoms are as well, to the same
        numbers, so that whole numbers go through.
    """
    chosen = [op for op in program.ops if op.layers[0] in weights and can_be_int8(op)]
    group = {value: value for op in chosen for value in op.reads}
    for op in reversed(program.ops):
        passes_on = type(op.module) is Concat or (type(op.module) is MaxPool and not op.module.mask)
        if passes_on and op.writes[0] in group:
            _unite(group, (*op.writes, *op.reads))
    groups: dict[str, list[str]] = {}
    for value in group:
        groups.setdefault(_root(group, value), []).append(value)
    return Places(tuple(op.layers[0] for op in chosen), tuple(map(tuple, groups.values())))


def can_be_int8(op: Op) -> bool:
    """Return whether an operation is a layer that int8 kernels are for."""
    module = op.module.first if isinstance(op.module, Joined) else op.module
    if type(module) is Convolution:
        several = len(op.reads) != 1 + (isinstance(op.module, Joined) and op.module.adds)
        return module.axis == 1 and module.spatial == 2 and not module.transposed and not several
    return type(module) is InnerProduct and not module.transpose


def _root(group: dict[str, str], value: str) -> str:
    while group[value] != value:
        value = group[value]
    return value


def _unite(group: dict[str, str], values: Sequence[str]) -> None:
    for value in values:
        group.setdefault(value, value)
    first = _root(group, values[0])
    for value in values:
        group[_root(group, value)] = first


def own_weights(net: Net, slots: Sequence[Slot], names: Sequence[str]) -> dict[str, Slot]:
    """Return the weights that one layer alone has, by the name of its submodule."""
    users = Counter(slot.key for slot in slots)
    return {
        names[slot.layer]: slot
        for slot in slots
        if slot.spec.attr == "weight" and users[slot.key] == 1
    }


def check_keep(net: Net, keep: Collection[str]) -> None:
    """Raise `CaffeError` for names in ``keep`` that no layer has."""
    known = {layer.name for layer in net.layers}
    if wrong := sorted(set(keep) - known):
        raise CaffeError(
            f"keep names no layer of the net: {', '.join(wrong)}; it has {', '.join(sorted(known))}"
        )
