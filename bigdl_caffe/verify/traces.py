"""What a model computes, value by value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from bigdl_caffe.graph.ir import Net
from bigdl_caffe.graph.names import ALIAS
from bigdl_caffe.runner import Runner

Array = np.ndarray[Any, Any]


class Step(NamedTuple):
    """One value that a net makes: by which layer of what type, and of which blob."""

    layer: str
    type: str
    blob: str
    value: str


@dataclass(frozen=True)
class Trace:
    """The numbers of one forward pass.

    Attributes
    ----------
    steps : tuple of Step
        The values that the net makes, in execution order.
    values : mapping of str to ndarray
        Those of them that are known.
    strange : tuple of str
        What a record holds beside them.
    """

    steps: tuple[Step, ...]
    values: Mapping[str, Array]
    strange: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All that is known, by name."""
        return (*self.values, *self.strange)


def steps(net: Net) -> tuple[Step, ...]:
    """Return the values that the layers of ``net`` make, in order; not what the caller feeds."""
    fed = set(net.fed.values())
    makers: dict[str, tuple[str, str]] = {}
    out = []
    for layer in net.layers:
        # what an in-place layer changes under another name is that layer's doing
        maker = makers[layer.reads[0]] if layer.type == ALIAS else (layer.name, layer.type)
        for blob, value in zip(layer.tops, layer.writes, strict=True):
            makers[value] = maker
            if value not in fed and value in net.shapes:
                out.append(Step(*maker, blob, value))
    return tuple(out)


def trace(model: Runner, feed: Mapping[str, Array], seed: int) -> Trace:
    """Return every value of a forward pass; layers that draw random numbers do so by ``seed``."""
    wanted = steps(model.net)
    model.reset()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        values = model.run(feed, [step.value for step in wanted])
    return Trace(wanted, values)


def common(a: Trace, b: Trace) -> tuple[Step, ...]:
    """Return the values that both know, in the order of ``a``.

    What a blob held before its last layer is the same thing in two nets only if both write
    it equally often: a net whose BatchNorm is folded into the convolution before it has
    nothing that could be held against the other's plain convolution.
    """
    often_a, often_b = (Counter(step.blob for step in side.steps) for side in (a, b))
    return tuple(
        step
        for step in a.steps
        if step.value in a.values
        and step.value in b.values
        and (step.value == step.blob or often_a[step.blob] == often_b[step.blob])
    )
