"""Whether int8 kernels give what the same whole numbers give in floats, layer by layer.

From input to output, rounding turns a difference in the last bit of a float into a whole step,
which a net may make larger still: only layer by layer can it be told from an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bigdl_caffe.engine.check import probe
from bigdl_caffe.engine.int8_layers import Int8Layer
from bigdl_caffe.engine.memory import is_out_of_memory
from bigdl_caffe.engine.program import Op, Program, ProgramNet
from bigdl_caffe.format.host_folder import told_once

if TYPE_CHECKING:
    from bigdl_caffe.engine.opening import Opening

TOLERANCE = 1e-4
"""How far a float may be off, of the largest. A whole number may be off by 1."""


def unfit(opening: Opening, placed: Program, lowered: Program) -> str | None:
    """Return why the int8 kernels are not to be used here, or None; as `wrong_layer`.

    Of several processes of a host, one finds out for all.
    """
    find_out = partial(_find_out, opening, placed, lowered)
    if not opening.shared:
        return find_out() or None
    return told_once("checked", f"{opening.key}-int8", find_out) or None


def _find_out(opening: Opening, placed: Program, lowered: Program) -> str:
    model = opening.model
    wrong: list[str | None] = []

    def compute(feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        wrong.append(wrong_layer(placed, lowered, feed))
        return {blob: torch.zeros(1) for blob in opening.fetch}

    model.reset()
    try:
        model.through(compute, probe(model, opening.fetch, opening.rows), opening.fetch)
    except Exception as error:  # of any layer, the caller's own among them
        if is_out_of_memory(error):
            raise
        return f"they cannot be checked ({type(error).__name__}: {error})"
    finally:
        model.reset()
    return wrong[0] or ""


def wrong_layer(placed: Program, lowered: Program, feed: Mapping[str, Tensor]) -> str | None:
    """Return the first layer whose kernel is wrong on ``feed``, and how far; None for none.

    Parameters
    ----------
    placed : Program
        Of `engine.int8.in_kernels`, not packed.
    lowered : Program
        The same, packed: what will run.
    """
    wrong: list[str] = []
    ops = [
        replace(now, module=_Checked(was.module, now, wrong.append))
        if isinstance(was.module, Int8Layer)
        else now
        for was, now in zip(placed.ops, lowered.ops, strict=True)
    ]
    ProgramNet(lowered.with_ops(ops))(feed)
    return wrong[0] if wrong else None


@dataclass(frozen=True)
class _Checked:
    exact: Int8Layer
    op: Op
    tell: Callable[[str], None]

    def __call__(self, *bottoms: Tensor) -> Tensor:
        want = self.exact(*bottoms)  # first: a kernel that adds overwrites what it adds to
        got: Tensor = self.op.module(*bottoms)
        off = float((want.float() - got.float()).abs().max()) if want.numel() else 0.0
        most = 1.0 if want.dtype == torch.uint8 else TOLERANCE * max(1.0, float(want.abs().max()))
        if not off <= most:
            self.tell(f"'{self.op.layers[0]}' is off by {off:.1e}, which may be {most:.0e}")
        return got
