"""Whether an engine gives what Caffe's order of operations gives, on one made-up batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from bigdl_caffe.model import Model
from bigdl_caffe.verify.feeds import make_feed

Array = np.ndarray[Any, Any]
Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]

TOLERANCES = {torch.float16: 2e-2, torch.bfloat16: 1e-1}
TOLERANCE = 1e-4
"""How far a number may be off: of the blob's largest, or of 1 where that is smaller."""


def departure(run: Run, model: Model, fetch: Sequence[str]) -> str | None:
    """Return where ``run`` departs from ``model.run`` on seeded random inputs; None if nowhere.

    Parameters
    ----------
    run : callable
        Computes ``fetch``.
    model : Model
        The exact path.
    """
    feed = make_feed(model)
    kind = next((p.dtype for p in model.module.parameters()), torch.float32)
    most = TOLERANCES.get(kind, TOLERANCE)
    model.reset()
    want = model.run(feed, fetch)
    model.reset()
    got = run(feed)
    for blob in fetch:
        if got[blob].shape != want[blob].shape:
            return f"'{blob}' has the shape {got[blob].shape}, exactly it is {want[blob].shape}"
        off = _distance(got[blob], want[blob])
        if not off <= most:
            return f"'{blob}' is off by {off:.1e}, which may be {most:.0e}"
    return None


def _distance(got: Array, want: Array) -> float:
    if not got.size:
        return 0.0
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return float("inf")
    size = max(1.0, float(np.abs(want[finite]).max(initial=0)))
    return float(np.abs(got[finite] - want[finite]).max(initial=0)) / size
