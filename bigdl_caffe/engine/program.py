"""A net's modules as a list of operations that passes can change: what the engines run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from bigdl_caffe.nn.net import CaffeNet


@dataclass(frozen=True)
class Op:
    """One operation.

    Attributes
    ----------
    module : callable
        Takes the tensors of ``reads``; returns one, or a tuple of as many as ``writes``.
    reads, writes : tuple of str
        Values, as `bigdl_caffe.graph.ir` calls them.
    layers : tuple of str
        The submodules of the `CaffeNet` whose work it does.
    """

    module: Callable[..., Any]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """Operations in the order they run, and what goes in and comes out.

    Attributes
    ----------
    feeds : mapping of str to str
        Input blob → the value that is fed.
    outputs : mapping of str to str
        Blob that is asked for → the value it is.
    """

    feeds: Mapping[str, str]
    ops: tuple[Op, ...]
    outputs: Mapping[str, str]

    def reader_counts(self) -> Counter[str]:
        """Return how often each value is read, as an output too."""
        read = Counter(value for op in self.ops for value in op.reads)
        read.update(self.outputs.values())
        return read

    def with_ops(self, ops: Sequence[Op]) -> Program:
        """Return the program with other operations."""
        return replace(self, ops=tuple(ops))

    def cut(self, at: int) -> tuple[Program, Program | None]:
        """Return the first ``at`` operations, and the others if there are any.

        The second program's feeds are values that the first makes, and inputs.
        """
        before, behind = self.ops[:at], self.ops[at:]
        if not behind:
            return self, None
        needed = {v for op in behind for v in op.reads} | set(self.outputs.values())
        made = {v for op in before for v in op.writes} | set(self.feeds.values())
        same = {value: value for value in sorted(needed & made)}
        return Program(self.feeds, before, same), Program(same, behind, self.outputs)

    def last_uses(self) -> tuple[tuple[str, ...], ...]:
        """Return for each operation the values that nothing needs behind it."""
        kept = set(self.outputs.values())
        frees = []
        for op in reversed(self.ops):
            done = tuple(dict.fromkeys(v for v in (*op.reads, *op.writes) if v not in kept))
            kept.update(done)
            frees.append(done)
        return tuple(reversed(frees))


def program(net: CaffeNet, fetch: Sequence[str]) -> Program:
    """Return what ``net`` runs for ``fetch``: other branches are not in it.

    Parameters
    ----------
    net : CaffeNet
        Its modules are the operations', not copies of them.
    fetch : sequence of str
        Blobs.
    """
    plan = net.plan(tuple(fetch))
    ops = (
        Op(getattr(net, step.name), step.reads, step.writes, (step.name,)) for step in plan.steps
    )
    return Program(dict(plan.feeds), tuple(ops), {blob: blob for blob in fetch})


class ProgramNet(nn.Module):
    """A program as one torch module: a tensor an input in, a tensor an output out.

    Each value is dropped behind its last use, so that its memory is the next one's.

    Parameters
    ----------
    program : Program
    """

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        for i, op in enumerate(program.ops):
            if isinstance(op.module, nn.Module):
                self.add_module(f"op{i}", op.module)
        self._steps = tuple(
            (op.module, op.reads, op.writes, frees)
            for op, frees in zip(program.ops, program.last_uses(), strict=True)
        )

    def forward(self, feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run the operations.

        Parameters
        ----------
        feed : mapping of str to Tensor
            Input blobs. One that the net makes up itself may be left out.

        Returns
        -------
        dict of str to Tensor
            The blobs asked for.
        """
        values = {v: feed[blob] for blob, v in self.program.feeds.items() if blob in feed}
        for module, reads, writes, frees in self._steps:
            if not reads and all(value in values for value in writes):
                continue  # data that a layer would make up, and that were fed instead
            made = module(*[values[value] for value in reads])
            if len(writes) == 1:
                values.setdefault(writes[0], made if isinstance(made, Tensor) else made[0])
            else:
                for value, top in zip(writes, made, strict=True):
                    values.setdefault(value, top)
            for value in frees:
                values.pop(value, None)
        return {blob: values[value] for blob, value in self.program.outputs.items()}
