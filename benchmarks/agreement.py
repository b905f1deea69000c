"""How far two programs' answers are from each other."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

NEAR = 0.01
"""How far the score and the corners of a box may be off to be the same one."""


def agreement(got: Array, exact: Array) -> str:
    """Return in words how ``got`` departs from ``exact``.

    The largest difference as a share of the largest number; for detections, whose order
    changes with the last digit of a score, how many boxes both have.
    """
    if exact.ndim == 4 and exact.shape[-1] == 7:
        return f"{100 * shared(got, exact):.1f} % of the boxes"
    if got.size != exact.size:
        return f"another shape: {got.shape}"
    if not (np.isfinite(got).all() and np.isfinite(exact).all()):
        return "not finite"
    off = np.abs(got.reshape(-1) - exact.reshape(-1)).max() / np.abs(exact).max()
    return f"{off:.0e}"


def shared(got: Array, exact: Array) -> float:
    """Return the share of detections, of the one that has more, that the other has too.

    Parameters
    ----------
    got, exact : ndarray of shape (1, 1, n, 7)
        Rows of image, label, score and four corners, as DetectionOutput has them.
    """
    one, other = (rows.reshape(-1, 7) for rows in (got, exact))
    both = 0
    for row in one:
        same = (other[:, :2] == row[:2]).all(1) & (np.abs(other[:, 2:] - row[2:]).max(1) < NEAR)
        both += bool(same.any())
    return both / max(len(one), len(other), 1)
