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
from bigdl_caffe.engine.gpu import wants_channels_last, with_channels_last
from bigdl_caffe.engine.int8_check import unfit
from bigdl_caffe.engine.packed import can_map, read_packed, write_packed
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.program import Program, ProgramNet, program
from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format.host_folder import HostFolderError, each_for_itself, read_once

if TYPE_CHECKING:
    from bigdl_caffe.engine.opening import Opening

Compute = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]

LAYOUT = 2
"""Counts the rules by which layers are packed, which the key of what is packed does not tell."""

_log = logging.getLogger(__name__)


def open_torch(opening: Opening) -> Compute:
    """Return the net of ``opening`` as one module.

    A model whose weights someone holds and may change is joined, and not packed or turned.
    """
    model = opening.model
    joined = optimised(program(model.module, opening.fetch))
    onednn_takes = _is_for_onednn(model.module.parameters())
    if model.scheme is not None and model.scheme.values:
        if onednn_takes and int8.available():
            return _in_kernels(opening, joined)
        return ProgramNet(int8.in_floats(joined, model.scheme))
    if opening.settled and wants_channels_last(model.module.parameters()):
        return ProgramNet(with_channels_last(joined))
    if model.exposed or not onednn_takes:
        return ProgramNet(joined if model.scheme is None else int8.multiplied_out(joined))
    if model.scheme is None:
        joined = with_affines(joined, model.net.shapes)
    return _onednn(opening, joined).compute()


def _in_kernels(opening: Opening, joined: Program) -> Compute:
    """Return an int8 net by int8 kernels, if they are right."""
    scheme = opening.model.scheme
    assert scheme is not None
    placed = _onednn(opening, int8.in_kernels(joined, scheme))
    reason = unfit(opening, placed.program, placed.lowered)
    if reason:
        _log.warning("int8 kernels are not used: %s; floats are", reason)
        return ProgramNet(int8.in_floats(joined, scheme))
    return placed.compute()


def _onednn(opening: Opening, joined: Program) -> _Lowered:
    """Return the net by oneDNN's kernels."""
    model = opening.model
    shapes = {**model.net.shapes, **int8.shapes_in(joined, model.net.shapes)}
    together = model.row_wise(opening.fetch)
    chunk = min(chunk_rows(joined, shapes), opening.rows) if together else opening.rows
    # A host's first worker would copy all of VGG-16's 494 MB of products before its first row.
    products = not opening.shared
    rows = chunk, opening.rows
    lower = partial(onednn.lowered, joined, shapes, rows, products=products)
    return _Lowered(opening, joined, _packed(lower, opening), chunk if together else None)


@dataclass(frozen=True)
class _Lowered:
    """A program, the same by oneDNN's kernels, and the rows of a chunk; None for all at once."""

    opening: Opening
    program: Program
    lowered: Program
    chunk: int | None

    def compute(self) -> Compute:
        """Return what computes it."""
        if self.chunk is None:
            return ProgramNet(self.lowered)
        first, behind = split(self.program)
        at = len(first.ops)
        trunk = ProgramNet(replace(first, ops=self.lowered.ops[:at]))
        head = ProgramNet(replace(behind, ops=self.lowered.ops[at:])) if behind else None
        return ChunkedNet(trunk, head, self.chunk, fixed(self.opening, first))


def fixed(opening: Opening, first: Program) -> set[str]:
    """Return the values at the first part's end whose first axis is not the batch."""
    model = opening.model
    two, three = (model.shapes_at(model.with_batch(n), opening.fetch) for n in (2, 3))
    return {v for v in first.outputs.values() if v in two and two[v] == three[v]}


def _is_for_onednn(tensors: Iterable[Tensor]) -> bool:
    plain = all(t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors)
    return plain and onednn.available()


Lower = Callable[[onednn.Pack], Program]


def _packed(lower: Lower, opening: Opening) -> Program:
    """Return the lowered net, over weights that the host's processes share where they can."""
    if opening.shared and can_map():
        try:
            return _shared(lower, opening.key)
        except (OSError, HostFolderError) as error:
            each_for_itself(error)
        except RuntimeError as error:
            _log.warning("each process packs weights for itself: %s", error)
    return lower(lambda name, make: make())


def _shared(lower: Lower, key: str) -> Program:
    """Return the lowered net over the host's file of packed weights."""

    def write(path: Path) -> None:
        makers: dict[str, Callable[[], Tensor]] = {}

        def note(name: str, make: Callable[[], Tensor]) -> Tensor:
            makers[name] = make
            return torch.empty(0)

        lower(note)
        with torch.inference_mode(), path.open("xb") as out:
            write_packed(out, ((name, make()) for name, make in makers.items()))

    def read(path: Path) -> Program:
        weights = read_packed(path)

        def take(name: str, make: Callable[[], Tensor]) -> Tensor:
            if name not in weights:
                raise CaffeFormatError(f"{path} has the weights of other layers: delete it")
            return weights[name]

        return lower(take)

    return read_once("packed", f"{key}-{LAYOUT}", write, read)
