"""The numbers of one blob on two sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bigdl_caffe.verify.comparison import Row, difference
from bigdl_caffe.verify.traces import Step

Array = np.ndarray[Any, Any]
STEP = Step("layer", "Type", "blob", "blob~0")


def row_of(a: Any, b: Any, tolerance: float = 1e-5) -> Row:
    return difference(STEP, np.array(a, np.float32), np.array(b, np.float32), tolerance)


@pytest.mark.parametrize(
    ("a", "b", "error", "index", "nans"),
    [
        ([0, 0], [0, 0], 0, None, 0),
        ([], [], 0, None, 0),
        (3, 4, 0.25, (), 0),
        ([1, -8], [2, -8], 0.125, (0,), 0),
        ([1e-30, 0], [0, 0], 1, (0,), 0),
        ([np.nan, np.inf, 1], [np.nan, np.inf, 1], 0, None, 0),
        ([np.nan, 1], [0, 1], 0, (0,), 1),
        ([1, np.inf, 1], [2, -np.inf, np.nan], 0.5, (1,), 2),
        ([3e38], [-3e38], 2, (0,), 0),
    ],
)
def test_the_difference(a: Any, b: Any, error: float, index: Any, nans: int) -> None:
    row = row_of(a, b)
    assert row.error == pytest.approx(error, rel=1e-6)
    assert (row.index, row.nans) == (index, nans)
    assert row.departs == (error > 0 or nans > 0)


FLOATS = st.floats(-1e6, 1e6, width=32)


@given(arrays(np.float32, (3, 2), elements=FLOATS), arrays(np.float32, (3, 2), elements=FLOATS))
def test_the_difference_knows_no_sides_and_no_scale(a: Array, b: Array) -> None:
    row, back, twice = row_of(a, b), row_of(b, a), row_of(a * 2, b * 2)
    assert row.error == back.error == twice.error <= 2
    assert (row.error == 0) == np.array_equal(a, b)
    assert not row_of(a, b, tolerance=2).departs
