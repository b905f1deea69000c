"""A Caffe net's weights into a model that someone wrote, by layer name.

What `bigdl_caffe.Model.load_caffe` does. A module takes the weights of the layer that has
its name; "." and "/" in names are the same, so that the module ``inception.conv`` is the
layer ``inception/conv``. The net's definition says how the blobs lie: an InnerProduct may be
transposed, and a Scale that reads a BatchNorm's top is that BatchNorm's weight and bias.
Which modules take what is in `bigdl_caffe.weights.torch_layouts`. torch's RNN has no product
behind its state: Caffe's goes to a Linear called like the RNN, with "_out" behind; the top is
its tanh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from bigdl_caffe.errors import WeightMismatchError
from bigdl_caffe.format.source import WeightSource
from bigdl_caffe.graph.ir import LayerDef
from bigdl_caffe.layers.registry import BlobSpec
from bigdl_caffe.weights.bind import Binder, Binding, named_modules
from bigdl_caffe.weights.fill import copy_blobs, lacking
from bigdl_caffe.weights.match import LoadReport, Target, match
from bigdl_caffe.weights.slots import Slot, owned_shapes
from bigdl_caffe.weights.structure import Structure
from bigdl_caffe.weights.table import WeightTable, allocate

REMEDY = (
    "give the module the layer's sizes, or pass allow_reshape=True if only the shape differs "
    "and not the number of elements"
)


def copy_into(
    model: object,
    layers: Sequence[LayerDef],
    sources: Sequence[WeightSource],
    match_all: bool = True,
    allow_reshape: bool = False,
) -> LoadReport:
    """Copy weights into ``model``, all that are asked for or none.

    Everything is checked, and read from the files, before the first tensor changes. Each
    keeps its device, type and ``requires_grad``.

    Parameters
    ----------
    model : nn.Module or mapping of str to nn.Module
    layers : sequence of LayerDef
        The net that the weights are of, in V2 terms, for one phase.
    sources : sequence of WeightSource
        A later one's layers replace an earlier one's.
    match_all : bool
        Whether every module with parameters has to find its weights. Otherwise those that
        do not keep their values.
    allow_reshape : bool
        Whether a blob of another shape but as many elements is taken, in the order its
        numbers lie in.

    Raises
    ------
    WeightMismatchError
        With every module and blob that does not fit.
    """
    modules = list(named_modules(model))
    binder = Binder(Structure(layers), (its.name for its in modules), match_all)
    for its in modules:
        binder.add(its)
    target, slots = _target(binder.bindings, allow_reshape)
    found = match(target, sources)
    problems = [*binder.problems, *found.problems]
    if match_all:
        problems += lacking(found, sources, "match_all=False to keep the module's own values")
    if problems:
        raise WeightMismatchError(*problems)
    table = allocate(owned_shapes([s for s in target.slots if s.key in found.copies]))
    copy_blobs(found.copies, table)
    kept = list(binder.kept)
    for binding, own in zip(binder.bindings, slots, strict=True):
        if all(slot.key in table.blobs for slot in own):
            binding.put(_blobs(own, table))
        else:
            kept.append(binding.module)
    return replace(found.report, missing=(), kept=tuple(dict.fromkeys(kept)))


def _blobs(slots: Sequence[Slot], table: WeightTable) -> list[Tensor]:
    return [torch.from_numpy(table.blobs[s.key]).reshape(s.spec.shape) for s in slots]


def _target(bindings: Sequence[Binding], allow_reshape: bool) -> tuple[Target, list[list[Slot]]]:
    """Return what the files' blobs are matched to, and the slots of each binding."""
    seen: Counter[tuple[str, int]] = Counter()
    positions: dict[tuple[str, int], int] = {}
    owners: dict[object, str] = {}
    slots = []
    for binding in bindings:
        # Bindings that begin with another blob share a layer; with the same one, each
        # has a layer of that name to itself.
        nth = seen[binding.layer, binding.first]
        seen[binding.layer, binding.first] += 1
        position = positions.setdefault((binding.layer, nth), len(positions))
        slots.append(_slots(binding, position, owners))
    target = Target(
        [layer for layer, _ in positions],
        [slot for its in slots for slot in its],
        allow_reshape,
        REMEDY,
    )
    return target, slots


def _slots(binding: Binding, position: int, owners: dict[object, str]) -> list[Slot]:
    slots = []
    named = zip(binding.names(), binding.blobs, strict=True)
    for index, (name, blob) in enumerate(named, binding.first):
        key = f"{position}/{index}"
        owner = owners.setdefault(_memory(blob), key)
        spec = BlobSpec(name, tuple(blob.shape))
        slots.append(Slot(position, index, spec, owner, shared=owner != key))
    return slots


def _memory(blob: Tensor) -> object:
    """Return what is equal for blobs that are one: the same numbers in the same order."""
    order = () if blob.is_contiguous() else (blob.shape, blob.stride())
    return blob.device, blob.data_ptr(), blob.numel(), order
