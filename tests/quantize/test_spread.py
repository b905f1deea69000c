"""Histograms that grow, and the steps chosen from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bigdl_caffe.quantize.spread import BINS, METHODS, Spread, steps
from bigdl_caffe.weights.scheme import Scheme, Steps


def spread(*parts: np.ndarray) -> Spread:
    out = Spread()
    for part in parts:
        out.add(torch.from_numpy(np.asarray(part, np.float32)))
    return out


def test_growing_keeps_every_count() -> None:
    parts = [np.random.default_rng(i).normal(size=1000) * 3.0**i for i in range(6)]
    grown = spread(*parts)
    at_once = Spread(grown.reach)
    for part in parts:
        at_once.add(torch.from_numpy(part.astype(np.float32)))
    assert grown.counts.sum() == 6000
    assert np.abs(grown.counts.cumsum() - at_once.counts.cumsum()).max() <= 2
    halves = spread(*parts[:2]).joined(spread(*parts[2:]))
    np.testing.assert_array_equal(halves.counts, grown.counts)
    assert (halves.least, halves.most) == (grown.least, grown.most)
    assert len(grown.counts) == 2 * BINS


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", [0, 1, -50])
def test_zero_is_zero_and_errors_are_small(method: str, shift: float) -> None:
    numbers = np.random.default_rng(0).normal(size=10000) + shift
    chosen = METHODS[method](spread(numbers))
    whole = np.clip(np.round(numbers / chosen.scale) + chosen.zero, 0, 255)
    off = (whole - chosen.zero) * chosen.scale - numbers
    assert np.sqrt((off**2).mean()) < 0.6 * chosen.scale
    assert 0 <= chosen.zero <= 255


def test_one_large_number_does_not_take_all_the_steps() -> None:
    seen = spread(np.random.default_rng(0).normal(size=100_000), [40.0])
    whole, cut = METHODS["minmax"](seen), METHODS["mse"](seen)
    assert cut.scale < 0.95 * whole.scale
    assert METHODS["percentile"](seen).scale < whole.scale / 4


@pytest.mark.parametrize("method", METHODS)
def test_values_that_are_always_zero(method: str) -> None:
    assert METHODS[method](spread(np.zeros(5))) == Steps(1.0, 0)


def test_numbers_below_zero_alone() -> None:
    assert steps(-255.0, 0.0) == Steps(1.0, 255)


def test_words_come_back() -> None:
    scheme = Scheme({"a~0": Steps(float(np.float32(0.1)), 3), "b": Steps(2.0, 0)})
    assert Scheme.from_json(scheme.to_json()) == scheme
