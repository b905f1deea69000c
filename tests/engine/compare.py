"""Engines held against the exact path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bigdl_caffe import Model
from bigdl_caffe.engine.eager import open_torch
from bigdl_caffe.engine.folded import folded
from bigdl_caffe.engine.opening import Opening

Array = np.ndarray[Any, Any]
TOLERANCE = 1e-4


def assert_torch_is_exact(
    model: Model, feed: Mapping[str, Array], fetch: Sequence[str], rows: int = 2, what: str = ""
) -> None:
    """Fail unless engine="torch", on the net and on the net folded, gives what ``run`` gives."""
    fetch = tuple(fetch)
    model.reset()
    want = model.run(feed, fetch)
    for net in {model: "", folded(model, fetch): "folded"}:
        net.reset()
        compute = open_torch(Opening(net, fetch, rows))
        got = net.through(compute, feed, fetch)
        for blob in fetch:
            assert_close(got[blob], want[blob], f"{what} {blob}")
        net.reset()


def assert_close(got: Array, want: Array, what: str) -> None:
    """Fail unless numbers are within 1e-4 of the largest, or of 1 where that is smaller."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}, not {want.shape}"
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite], err_msg=what)
    size = max(1.0, np.abs(want[finite]).max(initial=0))
    off = np.abs(got[finite] - want[finite]).max(initial=0)
    assert off <= TOLERANCE * size, f"{what}: off by {off:.3g}, the largest is {size:.3g}"
