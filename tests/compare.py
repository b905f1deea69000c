"""The one way in which our numbers are held against Caffe's."""

from __future__ import annotations

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
