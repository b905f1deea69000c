"""Programs that tell what their operations make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from bigdl_caffe.engine.int8 import MADE
from bigdl_caffe.engine.program import Op, Program, ProgramNet
from bigdl_caffe.model import Model

Array = np.ndarray[Any, Any]
See = Callable[[str, Tensor], None]
"""Is told a value and its numbers."""


def run_observed(
    model: Model, program: Program, values: Collection[str], see: See, feed: Mapping[str, Array]
) -> dict[str, Array]:
    """Run ``program`` and let ``see`` have each of ``values``, before it is rounded.

    Returns
    -------
    dict of str to ndarray
        The program's outputs.
    """

    def compute(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        for blob, value in program.feeds.items():
            if value in values and blob in tensors:
                see(value, tensors[blob])
        made: dict[str, Tensor] = net(tensors)
        return made

    ops = [replace(op, module=_Observed(op, values, see)) for op in program.ops]
    net = ProgramNet(program.with_ops(ops))
    model.reset()
    return model.through(compute, feed, tuple(program.outputs))


@dataclass(frozen=True)
class _Observed:
    op: Op
    values: Collection[str]
    see: See

    def __call__(self, *bottoms: Tensor) -> Any:
        tops = self.op.module(*bottoms)
        each = (tops,) if isinstance(tops, Tensor) else tops
        for value, top in zip(self.op.writes, each, strict=False):
            if value.removesuffix(MADE) in self.values and not _is_rounding(self.op):
                self.see(value.removesuffix(MADE), top)
        return tops


def _is_rounding(op: Op) -> bool:
    return not op.layers
