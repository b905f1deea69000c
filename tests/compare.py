"""The one way in which our numbers are held against Caffe's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def assert_close_to_caffe(
    ours: ArrayLike, caffe: ArrayLike, tol: float = 1e-5, what: str = "blob"
) -> None:
    """Fail unless shapes are equal and numbers within ``tol`` of Caffe's largest magnitude.

    A blob of tiny numbers is held to ``tol / 10`` absolute. Where Caffe has NaN or an
    infinity, ours has the same.
    """
    ours, caffe = np.asarray(ours, np.float64), np.asarray(caffe, np.float64)
    assert ours.shape == caffe.shape, f"{what}: shape {ours.shape}, Caffe's is {caffe.shape}"
    odd = ~np.isfinite(caffe)
    np.testing.assert_array_equal(ours[odd], caffe[odd], err_msg=f"{what}: NaN or infinity")
    allowed = max(tol * np.abs(caffe[~odd]).max(initial=0), tol / 10)
    worst = np.abs(ours[~odd] - caffe[~odd]).max(initial=0)
    assert worst <= allowed, f"{what}: off by {worst:.3g}, allowed {allowed:.3g}"


def assert_close_to_stored(
    ours: ArrayLike, golden: Mapping[str, Any], key: str, tol: float = 1e-5
) -> None:
    """Hold ``ours`` against ``golden[key]``, or where a large blob was not kept whole, its summary.

    That is ``golden["sum/" + key]``: mean, deviation, minimum, maximum, norm, and 32 samples.
    """
    if key in golden:
        assert_close_to_caffe(ours, golden[key], tol, what=key)
        return
    stored, flat = golden[f"sum/{key}"], np.asarray(ours, np.float64).ravel()
    samples = flat[np.linspace(0, flat.size - 1, 32).astype(int)]
    kept = [flat.min(), flat.max(), *samples]
    assert_close_to_caffe(kept, [*stored[2:4], *stored[5:]], tol, what=key)
