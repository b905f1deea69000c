"""engine="torch": torch's operations on the joined net, oneDNN's fused ones on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bigdl_caffe.engine import int8, onednn
from bigdl_caffe.engine.affine import with_affines
from bigdl_caffe.engine.chunks import ChunkedNet, chunk_rows, split
from bigdl_caffe.engine.int8_check import unfit
from bigdl_caffe.engine.packed import can_map, each, read_packed, write_packed
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.program import Program, ProgramNet, program
from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format.host_folder import read_once

if TYPE_CHECKING:
    from bigdl_caffe.engine.opening import Opening

Compute = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
Makers = dict[str, Callable[[], Tensor]]

LAYOUT = 1
"""Counts the rules by which layers are packed, which the key of what is packed does not tell."""

_log = logging.getLogger(__name__)


def open_torch(opening: Opening) -> Compute:
    """Return the net of ``opening`` as one module.

    A model whose weights someone holds and may change is joined, and not packed.
    """
    model = opening.model
    joined = optimised(program(model.module, opening.fetch))
    onednn_takes = _is_for_onednn(model.module.parameters())
    if model.scheme is not None and model.scheme.values:
        floats = int8.in_floats(joined, model.scheme)
        if not (onednn_takes and int8.available()):
            return ProgramNet(floats)
        joined = int8.in_kernels(joined, model.scheme)
        reason = unfit(opening, joined)
        if reason:
            _log.warning("int8 kernels are not used: %s; floats are", reason)
            return ProgramNet(floats)
    elif model.scheme is not None:
        joined = int8.multiplied_out(joined)
    if model.exposed or not onednn_takes:
        return ProgramNet(joined)
    if model.scheme is None:
        joined = with_affines(joined, model.net.shapes)
    return _onednn(opening, joined)


def _onednn(opening: Opening, joined: Program) -> Compute:
    """Return the net by oneDNN's kernels."""
    model = opening.model
    shapes = {**model.net.shapes, **int8.shapes_in(joined, model.net.shapes)}
    together = model.row_wise(opening.fetch)
    chunk = min(chunk_rows(joined, shapes), opening.rows) if together else opening.rows
    # A host's first worker would copy all of VGG-16's 494 MB of products before its first row.
    products = not opening.shared
    rows = chunk, opening.rows
    lower = partial(onednn.lowered, joined, shapes, rows, products=products)
    lowered, memory = _packed(lower, opening)
    if not together:
        return _Kept(ProgramNet(lowered), memory)
    first, behind = split(joined)
    at = len(first.ops)
    trunk = ProgramNet(replace(first, ops=lowered.ops[:at]))
    head = ProgramNet(replace(behind, ops=lowered.ops[at:])) if behind else None
    return _Kept(ChunkedNet(trunk, head, chunk, fixed(opening, first)), memory)


def fixed(opening: Opening, first: Program) -> set[str]:
    """Return the values at the first part's end whose first axis is not the batch."""
    model = opening.model
    two, three = (model.shapes_at(model.with_batch(n), opening.fetch) for n in (2, 3))
    return {v for v in first.outputs.values() if v in two and two[v] == three[v]}


@dataclass(frozen=True)
class _Kept:
    """What computes, and the memory that its weights lie in."""

    compute: ProgramNet | ChunkedNet
    memory: object

    def __call__(self, feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        made: dict[str, Tensor] = self.compute(feed)
        return made


def _is_for_onednn(tensors: Iterable[Tensor]) -> bool:
    plain = all(t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors)
    return plain and onednn.available()


Lower = Callable[[onednn.Pack], Program]


def _packed(lower: Lower, opening: Opening) -> tuple[Program, object]:
    """Return the lowered net, and the memory that its packed weights lie in if it is shared."""
    if opening.shared and can_map():
        try:
            return _shared(lower, opening.key)
        except (OSError, RuntimeError) as error:  # no room in the folder; no tensor over the file
            _log.warning("each process packs weights for itself: %s", error)
    return lower(lambda name, make: make()), None


def _shared(lower: Lower, key: str) -> tuple[Program, object]:
    """Return the lowered net over packed weights that the host's processes share, and these."""
    makers: Makers = {}

    def note(name: str, make: Callable[[], Tensor]) -> Tensor:
        makers[name] = make
        return torch.empty(0)

    lower(note)
    if not makers:
        return lower(note), None

    def write(path: Path) -> None:
        with torch.inference_mode(), path.open("xb") as out:
            write_packed(out, each(makers))

    def read(path: Path) -> Mapping[str, Tensor]:
        weights = read_packed(path)
        if weights.keys() != makers.keys():
            raise CaffeFormatError(f"{path} has the weights of other layers: delete it")
        return weights

    weights = read_once("packed", f"{key}-{LAYOUT}", write, read)
    return lower(lambda name, make: weights[name]), weights
