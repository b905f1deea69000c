"""Whether an engine gives what Caffe's order of operations gives, on one made-up batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite, log10
from typing import Any

import numpy as np
import torch

from bigdl_caffe.engine.memory import is_out_of_memory
from bigdl_caffe.model import Model
from bigdl_caffe.verify.feeds import make_feed
from bigdl_caffe.weights.scheme import LEAST, MOST

Array = np.ndarray[Any, Any]
Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]

DECIBELS = 20.0
"""Of an int8 net, by how much a blob outweighs what it is off by, at least. Rounding turns a
difference in the last bit into a step of 1/255, which a net may make larger: `int8_check` looks at
each int8 layer by itself, closely. This is for what stands between them; what a layer chooses, as
detections are, is another after one step already, and is not compared."""

TOLERANCES = {torch.float16: 2e-2, torch.bfloat16: 1e-1}
TOLERANCE = 1e-4
"""How far a number may be off: of the blob's largest, or of 1 where that is smaller."""


def departure(run: Run, model: Model, fetch: Sequence[str], rows: int = 1) -> str | None:
    """Return where ``run`` departs from ``model.run`` on seeded random inputs; None if nowhere.

    It departs, too, where either fails: such a net cannot be checked. Where memory is lacking, that
    is raised: it tells nothing of the engine.

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
        if is_out_of_memory(error):
            raise
        return f"it cannot be checked, as made-up numbers fail ({type(error).__name__}: {error})"
    for blob in fetch:
        if _is_int8(model) and any(layer.chooses() for _, layer in model.layers_for([blob])):
            continue
        if got[blob].shape != want[blob].shape:
            return f"'{blob}' has the shape {got[blob].shape}, exactly it is {want[blob].shape}"
        if reason := _far(model, got[blob], want[blob]):
            return f"'{blob}' is {reason}"
    return None


def _is_int8(model: Model) -> bool:
    return model.scheme is not None and bool(model.scheme.values)


def _far(model: Model, got: Array, want: Array) -> str | None:
    """Return how far ``got`` is from ``want`` if it is too far."""
    off = _distance(got, want)
    if _is_int8(model) and isfinite(off):
        decibels = _decibels(got, want)
        least = f"only {decibels:.0f} dB above what it is off by, which must be {DECIBELS:.0f} dB"
        return None if decibels >= DECIBELS else least
    kind = next((p.dtype for p in model.module.parameters()), torch.float32)
    most = TOLERANCES.get(kind, TOLERANCE)
    return None if off <= most else f"off by {off:.1e}, which may be {most:.0e}"


def probe(model: Model, fetch: Sequence[str], rows: int) -> dict[str, Array]:
    """Return made-up inputs: in their declared shapes, or of one or two rows where it may be."""
    feed = _in_range(model, make_feed(model))
    if feed.keys() != model.inputs.keys() or not model.row_wise(fetch):
        return feed
    made = [_in_range(model, make_feed(model, seed)) for seed in range(2 if rows > 1 else 1)]
    return {blob: np.concatenate([one[blob][:1] for one in made]) for blob in feed}


def _in_range(model: Model, feed: dict[str, Array]) -> dict[str, Array]:
    """Return standard normal numbers as ones of the size that an int8 net was calibrated with.

    Of others it makes so few steps that what is off by one, as some always are, drowns them.
    """
    steps = model.scheme.values if model.scheme is not None else {}
    for blob, value in model.net.fed.items():
        if blob in feed and value in steps:
            scale, zero = steps[value].scale, steps[value].zero
            middle, spread = (LEAST + MOST) / 2 - zero, (MOST - LEAST) / 6
            feed[blob] = (scale * (middle + spread * feed[blob])).astype(np.float32)
    return feed


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


def _decibels(got: Array, want: Array) -> float:
    """Return the signal-to-noise ratio of finite numbers; what is infinite is in both alike."""
    finite = np.isfinite(want)
    signal, noise = want[finite].astype(np.float64), (got - want)[finite].astype(np.float64)
    power = float(np.square(noise).sum())
    return 10 * log10(max(float(np.square(signal).sum()), 1e-300) / power) if power else inf
