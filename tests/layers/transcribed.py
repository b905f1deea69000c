"""Layers of forks that were not run, against loops written after the forks' source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.layers.build import filled, layer

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Ran:
    """What a layer made, and the gradients it left: None where there are none."""

    tops: list[Array]
    diffs: list[Array | None]
    blob_diffs: list[Array | None]


def ran(
    kind: str,
    options: str,
    bottoms: Sequence[Array],
    tops: int = 1,
    blobs: Sequence[Array] = (),
    top_diff: float = 1.0,
) -> Ran:
    """Run a layer forward and backward in double precision, and hold it to its shapes.

    Parameters
    ----------
    kind, options : str
        The layer's type and the rest of its prototxt.
    bottoms, blobs : sequence of ndarray
        What goes in.
    tops : int
        How many it makes.
    top_diff : float
        The gradient that arrives at the first top, which Caffe calls loss_weight.
    """
    rule = layer(kind, options, bottoms=len(bottoms), tops=tops)
    shapes = [b.shape for b in bottoms]
    module = filled(rule, shapes, [torch.tensor(blob) for blob in blobs])
    feed = [torch.tensor(b, dtype=torch.float64, requires_grad=True) for b in bottoms]
    made = module(*feed)
    made = [made] if isinstance(made, Tensor) else list(made)
    assert [tuple(top.shape) for top in made] == rule.top_shapes(shapes)
    if made[0].requires_grad:
        made[0].backward(torch.full_like(made[0], top_diff))
    return Ran(
        [top.detach().numpy() for top in made],
        [_gradient(x) for x in feed],
        [_gradient(blob) for blob in module.parameters()],
    )


def _gradient(x: Tensor) -> Array | None:
    return None if x.grad is None else x.grad.numpy()


def numeric(function: Any, x: Array, step: float = 1e-6) -> Array:
    """Return the slope of the scalar ``function`` of one array, by central differences."""
    slope = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        high, low = x.copy(), x.copy()
        high[i] += step
        low[i] -= step
        slope[i] = (function(high) - function(low)) / (2 * step)
    return slope


def close(ours: Array | None, theirs: Array | float, tol: float = 1e-9) -> None:
    """Fail unless both are the same but for ``tol``; not-a-number equals itself."""
    assert ours is not None, "there is no gradient"
    np.testing.assert_allclose(ours, theirs, rtol=tol, atol=tol)
