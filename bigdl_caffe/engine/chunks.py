"""A batch run in chunks whose values stay in the processor's cache, the matrix products at once.

A convolution has little from a larger batch, while values of tens of megabytes go through main
memory, and glibc asks the kernel for them anew each time. A matrix product reads its weight once
for all rows: from the first one on, all rows are run together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import ceil, prod

import torch
from torch import Tensor, nn

from bigdl_caffe.engine.fused import Joined
from bigdl_caffe.engine.int8_layers import Int8Layer
from bigdl_caffe.engine.program import Program, ProgramNet
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.nn.dense import InnerProduct

LARGEST = 32 << 20
"""Bytes of the largest value of a chunk: what glibc keeps at most when it is freed."""


def chunk_rows(program: Program, shapes: Mapping[str, Shape]) -> int:
    """Return how many rows a chunk has, from the ``shapes`` of all values."""
    values = {v for op in program.ops for v in op.writes if v in shapes}
    row = max((4 * prod(shapes[v][1:]) for v in values), default=1)
    return max(1, LARGEST // max(1, row))


def split(program: Program) -> tuple[Program, Program | None]:
    """Return what is before the first matrix product, and what begins with it.

    The second's feeds are values that the first makes, and inputs. None where there is no
    product, or nothing before it.
    """
    at = next((i for i, op in enumerate(program.ops) if is_product(op.module)), 0)
    return program.cut(at) if at else (program, None)


def is_product(module: object) -> bool:
    """Return whether an operation's module is a matrix product, whatever is joined to it."""
    first = module.first if isinstance(module, (Joined, Int8Layer)) else module
    return isinstance(first, InnerProduct)


class ChunkedNet(nn.Module):
    """A program whose first part is run some rows at a time.

    Parameters
    ----------
    trunk, head : ProgramNet
        The two parts of `split`; all in the first one where there is no second.
    rows : int
        The most that the first part is given.
    fixed : collection of str
        Values whose first axis is not the batch: each chunk makes the same.
    """

    def __init__(
        self, trunk: ProgramNet, head: ProgramNet | None, rows: int, fixed: Collection[str]
    ) -> None:
        super().__init__()
        self.trunk, self.head, self.rows, self.fixed = trunk, head, rows, frozenset(fixed)

    def forward(self, feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run all rows; see `ProgramNet`."""
        parts = [self.trunk(chunk) for chunk in self._chunks(feed)]
        tops = parts[0] if len(parts) == 1 else {v: self._whole(v, parts) for v in parts[0]}
        del parts
        made: dict[str, Tensor] = tops if self.head is None else self.head(tops)
        return made

    def _chunks(self, feed: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
        if not self.trunk.program.feeds.keys() <= feed.keys():
            yield feed  # the net makes up an input, of as many rows as it was declared with
            return
        rows = max((len(tensor) for tensor in feed.values()), default=1)
        size = ceil(rows / ceil(rows / self.rows))
        for start in range(0, rows, size):
            yield {blob: tensor[start : start + size] for blob, tensor in feed.items()}

    def _whole(self, value: str, parts: Sequence[Mapping[str, Tensor]]) -> Tensor:
        if value in self.fixed:
            return parts[0][value]
        return torch.cat([part[value] for part in parts])
