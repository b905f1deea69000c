"""The processes that train one net together: this is what one alone has of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class Ranks:
    """A single process; `bigdl_caffe.train.group.Group` is one of many.

    Attributes
    ----------
    rank, size : int
        Which process this is, and how many there are.
    idle : bool
        Whether the rank has no row in the pass under way, and feeds one only to stay in step.
    """

    rank = 0
    size = 1
    idle = False

    def total(self, values: Tensor) -> Tensor:
        """Return ``values`` summed over all ranks, element by element; without gradient."""
        return values

    def total_with_gradient(self, values: Tensor) -> Tensor:
        """Return the same, through which the gradients of all ranks flow back."""
        return values

    def together(self, module: nn.Module, reached: bool = False) -> nn.Module:
        """Return ``module`` such that backward() leaves the sum of all ranks' gradients.

        Parameters
        ----------
        module : nn.Module
        reached : bool
            Whether backward() surely reaches all its parameters: looking for others costs time.
        """
        return module

    @contextmanager
    def apart(self, module: nn.Module) -> Iterator[None]:
        """Leave out the summing within: it is done at a later backward(), for all at once."""
        yield

    def same_buffers(self, module: nn.Module) -> None:
        """Give every rank the buffers that the first one has."""
