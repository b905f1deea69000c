"""What a comparison found: a row a value, and which layer departs first."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bigdl_caffe.format.paths import PathLike, atomic_write
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.verify.traces import Step

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Row:
    """How far one value is apart on the two sides.

    Attributes
    ----------
    layer, type : str
        The layer that makes it, as the first side names it.
    blob : str
        The value: a blob's name, or with ``~0``, ``~1`` ... behind it what the blob held
        before an in-place layer changed it (see `bigdl_caffe.graph.ir`).
    shape, other_shape : Shape
        Its shape on either side.
    error : float
        The largest difference of two elements, relative to the largest magnitude on either
        side; 0 where all are equal, infinite where the shapes differ.
    index : tuple of int or None
        Where that element is, or the first that is NaN or infinite on one side alone. None
        without a difference.
    a, b : float or None
        The element on either side.
    nans : int
        How many elements are NaN or infinite and not the same on the other side.
    departs : bool
        Whether the shapes differ, there are ``nans``, or ``error`` is over the tolerance.
    """

    layer: str
    type: str
    blob: str
    shape: Shape
    other_shape: Shape
    error: float
    index: tuple[int, ...] | None
    a: float | None
    b: float | None
    nans: int
    departs: bool


@dataclass(frozen=True)
class Comparison:
    """Two sides on one input.

    Attributes
    ----------
    rows : tuple of Row
        The values that both have, in the order the first model computes them.
    only_a, only_b : tuple of str
        The values that one side alone has, and that are not compared.
    tolerance : float
        The ``error`` up to which two values count as equal.
    """

    rows: tuple[Row, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    tolerance: float

    @property
    def departures(self) -> tuple[Row, ...]:
        """The rows that depart, in execution order."""
        return tuple(row for row in self.rows if row.departs)

    @property
    def first(self) -> str | None:
        """The first layer in execution order whose value departs; None if none does."""
        return next((row.layer for row in self.rows if row.departs), None)

    @property
    def equal(self) -> bool:
        """Whether every value that both sides have is equal within the tolerance."""
        return self.first is None

    def __str__(self) -> str:
        from bigdl_caffe.verify.table import table  # it in turn knows this class

        return table(self)

    def to_json(self) -> str:
        """Return all of it as JSON, a line a row; NaN and infinities, which it lacks, are null."""
        told = {
            "equal": self.equal,
            "first": self.first,
            "tolerance": self.tolerance,
            "only_a": self.only_a,
            "only_b": self.only_b,
        }
        rows = (json.dumps({k: _json(v) for k, v in asdict(row).items()}) for row in self.rows)
        lines = ",\n  ".join(rows)
        return f'{json.dumps(told)[:-1]}, "rows": [\n  {lines}\n]}}'

    def write_plot(self, path: PathLike) -> None:
        """Write the error along the net as an SVG picture: whole or not at all."""
        from bigdl_caffe.verify.plot import plot  # it in turn knows this class

        with atomic_write(path) as file:
            file.write(plot(self).encode())


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def difference(step: Step, a: Array, b: Array, tolerance: float) -> Row:
    """Return the row of one value, ``a`` and ``b`` being its numbers on either side."""
    what = (step.layer, step.type, step.value, a.shape, b.shape)
    if a.shape != b.shape:
        return Row(*what, math.inf, None, None, None, 0, departs=True)
    x, y = a.astype(np.float64), b.astype(np.float64)
    odd = ~(np.isfinite(x) & np.isfinite(y))
    apart = odd & ~((x == y) | (np.isnan(x) & np.isnan(y)))
    x[odd], y[odd] = 0, 0
    scale = max(np.abs(x).max(initial=0), np.abs(y).max(initial=0))
    distance = np.abs(x - y)
    error = float(distance.max(initial=0) / scale) if scale else 0.0
    nans = int(apart.sum())
    index = _worst(apart if nans else distance)
    at_a, at_b = (None, None) if index is None else (float(a[index]), float(b[index]))
    departs = nans > 0 or error > tolerance
    return Row(*what, error, index, at_a, at_b, nans, departs)


def _worst(distance: Array) -> tuple[int, ...] | None:
    """Return where ``distance`` is largest; None if it is 0 everywhere."""
    if not distance.any():
        return None
    return tuple(int(i) for i in np.unravel_index(int(distance.argmax()), distance.shape))
