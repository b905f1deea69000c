"""Sequences: where they begin, and which way they run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Continuation(nn.Module):
    """0 for the first step and 1 for the others (continuation_indicator_layer.cpp).

    Parameters
    ----------
    steps : int
        Steps of each sequence.
    streams : int
        Sequences side by side, where there is no bottom that says how many.
    axis : int
        The bottom's axis that says it.
    """

    here: Tensor

    def __init__(self, steps: int, streams: int, axis: int) -> None:
        super().__init__()
        self.steps, self.streams, self.axis = steps, streams, axis
        self.register_buffer("here", torch.ones(()), persistent=False)

    def forward(self, *bottom: Tensor) -> Tensor:
        """Return (steps, streams), where the bottom or else the module is."""
        streams = bottom[0].shape[self.axis] if bottom else self.streams
        cont = (bottom[0] if bottom else self.here).new_ones(self.steps, streams)
        cont[0] = 0
        return cont


class Flip(nn.Module):
    """Run backwards along some axes."""

    def __init__(self, axes: Sequence[int]) -> None:
        super().__init__()
        self.axes = tuple(axes)

    def forward(self, x: Tensor) -> Tensor:
        """Return a copy of ``x``."""
        return x.flip(self.axes)
