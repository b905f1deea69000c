"""A measured time as a sum of parts: so much for each job, each task, each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Point = Mapping[str, float]
"""What a measurement was of: part → how many of it there were."""


@dataclass(frozen=True)
class Fit:
    """What each part costs.

    Attributes
    ----------
    costs, errors : mapping of str to float
        Seconds of one of each part, and the standard errors of these.
    residual, worst : float
        How far measurements are from the sum, as a share of the measurement: the median, and
        the most.
    points : int
        Measurements.
    """

    costs: Mapping[str, float]
    errors: Mapping[str, float]
    residual: float
    worst: float
    points: int

    def seconds(self, point: Point) -> float:
        """Return what the sum says of a point."""
        return sum(self.costs[part] * count for part, count in point.items())


def fitted(points: Sequence[Point], seconds: Sequence[float]) -> Fit:
    """Return the least-squares fit, each point weighed by its own time: shares count, not seconds.

    Raises
    ------
    ValueError
        There are fewer points than parts, or the points do not tell all parts from each other.
    """
    parts = list(points[0])
    taken = np.array(seconds)
    shares = np.array([[point[part] for part in parts] for point in points]) / taken[:, None]
    if np.linalg.matrix_rank(shares) < len(parts):
        raise ValueError(f"{len(points)} points do not tell {', '.join(parts)} from each other")
    costs = np.linalg.lstsq(shares, np.ones(len(points)), rcond=None)[0]
    off = np.abs(shares @ costs - 1)
    freedom = max(1, len(points) - len(parts))
    spread = (off**2).sum() / freedom * np.linalg.inv(shares.T @ shares).diagonal()
    return Fit(
        dict(zip(parts, costs.tolist(), strict=True)),
        dict(zip(parts, np.sqrt(spread).tolist(), strict=True)),
        float(np.median(off)),
        float(off.max()),
        len(points),
    )
