"""Two sides run on one input and held against each other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import PathLike
from bigdl_caffe.model import Model
from bigdl_caffe.verify.comparison import Comparison, difference
from bigdl_caffe.verify.feeds import feed_for, make_feed, read_feed
from bigdl_caffe.verify.records import read_arrays, recorded, recorded_feed
from bigdl_caffe.verify.table import few
from bigdl_caffe.verify.traces import Trace, common, trace

Array = np.ndarray[Any, Any]
Arrays = Mapping[str, Array]
Side = Model | Arrays | PathLike
Feed = Arrays | PathLike | None


def compare(
    a: Side, b: Side, feed: Feed = None, tolerance: float = 1e-5, seed: int = 0
) -> Comparison:
    """Hold two models, or a model and a record, against each other on the same input.

    Compared are the values that both have, matched by blob name: what each blob ends with,
    and what it held before an in-place layer changed it where both nets write it equally
    often. Recurrent layers begin anew.

    Parameters
    ----------
    a, b : Model, mapping of str to ndarray, or path
        At least one is a model. A record is an ``.npz`` file or its arrays: ``in/data`` and
        ``out/prob``, or plain blob names; what it was made from is then the input.
    feed : mapping of str to ndarray, or path, optional
        The input: arrays, an ``.npz`` of them, or a picture. By default what the record
        has, else random numbers in the shapes of ``a``'s inputs (see `make_feed`).
    tolerance : float
        How far two elements may be apart, relative to the largest magnitude of their blob.
    seed : int
        Of the random input, and of layers that draw random numbers.

    Raises
    ------
    CaffeError
        For two records, nets that cannot take the same input, sides that have no blob in
        common, files that are missing or damaged, and a tolerance that is none.
    """
    if not tolerance >= 0:
        raise CaffeError(f"tolerance is {tolerance}: give a number from 0 up, such as 1e-5")
    sides = [_side(side) for side in (a, b)]
    models = [side for side in sides if isinstance(side, Model)]
    records = [side for side in sides if not isinstance(side, Model)]
    if not models:
        raise CaffeError("both sides are records: give a model for one of them")
    first = models[0]
    fed = _feed(first, feed, records, seed)
    _check_known(fed, models)
    traces = [
        trace(side, feed_for(side, fed, first), seed)
        if isinstance(side, Model)
        else recorded(side, first.net)
        for side in sides
    ]
    return _compare(traces[0], traces[1], tolerance)


def _side(side: Side) -> Model | Arrays:
    return read_arrays(side) if isinstance(side, (str, os.PathLike)) else side


def _feed(model: Model, feed: Feed, records: list[Arrays], seed: int) -> Arrays:
    if isinstance(feed, (str, os.PathLike)):
        return read_feed(model, feed, seed)
    if feed is not None:
        return feed
    if not records:
        return make_feed(model, seed)
    found = recorded_feed(records[0], model.net)
    missing = make_feed(model, seed).keys() - found.keys()
    if missing:
        raise CaffeError(
            f"the record has no input {', '.join(sorted(missing))}: it was made from one that "
            "only its maker knows; add it as in/..., or give feed=..."
        )
    return found


def _check_known(feed: Arrays, models: Sequence[Model]) -> None:
    known = {blob: shape for model in models for blob, shape in model.inputs.items()}
    unknown = [blob for blob in feed if blob not in known]
    if unknown:
        has = ", ".join(f"'{blob}' {shape}" for blob, shape in known.items())
        raise CaffeError(*(f"'{b}' is not an input of either net: feed {has}" for b in unknown))


def _compare(a: Trace, b: Trace, tolerance: float) -> Comparison:
    shared = common(a, b)
    if not shared:
        raise CaffeError(
            "the two have no blob in common, so there is nothing to compare: one has "
            f"{few(a.names)}; the other {few(b.names)}"
        )
    rows = tuple(
        difference(step, a.values[step.value], b.values[step.value], tolerance) for step in shared
    )
    known = {step.value for step in shared}
    only_a, only_b = (tuple(n for n in side.names if n not in known) for side in (a, b))
    return Comparison(rows, only_a, only_b, tolerance)
