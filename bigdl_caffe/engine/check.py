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

# Rounding turns a difference in the last bit into a step of 1/255, which a net may make larger:
# `int8_check` has looked at each layer by itself.
INT8_TOLERANCE = float("inf")
TOLERANCES = {torch.float16: 2e-2, torch.bfloat16: 1e-1}
TOLERANCE = 1e-4
"""How far a number may be off: of the blob's largest, or of 1 where that is smaller."""


def departure(run: Run, model: Model, fetch: Sequence[str], rows: int = 1) -> str | None:
    """Return where ``run`` departs from ``model.run`` on seeded random inputs; None if nowhere.

    It departs, too, where either fails: such a net cannot be checked.

    Parameters
    ----------
    run : callable
        Computes ``fetch``.
    model : Model
        The exact path.
    rows : int
        How many are run at a time. Of a net that takes any number, 2 are enough.
    """
    feed = probe(model, fetch, rows)
    try:
        want = _anew(lambda feed: model.run(feed, fetch), model, feed)
        got = _anew(run, model, feed)
    except Exception as error:  # of any layer, the caller's own among them
        return f"it cannot be checked, as made-up numbers fail ({type(error).__name__}: {error})"
    kind = next((p.dtype for p in model.module.parameters()), torch.float32)
    rounds = model.scheme is not None and model.scheme.values
    most = INT8_TOLERANCE if rounds else TOLERANCES.get(kind, TOLERANCE)
    for blob in fetch:
        if got[blob].shape != want[blob].shape:
            return f"'{blob}' has the shape {got[blob].shape}, exactly it is {want[blob].shape}"
        off = _distance(got[blob], want[blob])
        if not off <= most:
            return f"'{blob}' is off by {off:.1e}, which may be {most:.0e}"
    return None


def probe(model: Model, fetch: Sequence[str], rows: int) -> dict[str, Array]:
    """Return made-up inputs: in their declared shapes, or of one or two rows where it may be."""
    feed = make_feed(model)
    if feed.keys() != model.inputs.keys() or not model.row_wise(fetch):
        return feed
    made = [make_feed(model, seed) for seed in range(2 if rows > 1 else 1)]
    return {blob: np.concatenate([one[blob][:1] for one in made]) for blob in feed}


def _anew(run: Run, model: Model, feed: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return what a first run gives, and leave nothing of it in recurrent layers."""
    model.reset()
    try:
        return run(feed)
    finally:
        model.reset()


def _distance(got: Array, want: Array) -> float:
    if not got.size:
        return 0.0
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return float("inf")
    size = max(1.0, float(np.abs(want[finite]).max(initial=0)))
    return float(np.abs(got[finite] - want[finite]).max(initial=0)) / size
