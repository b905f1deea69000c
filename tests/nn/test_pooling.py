"""Pooling against Caffe's loops, written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bigdl_caffe.nn.pooling import AvePool, MaxPool, StochasticPool, Window
from tests.compare import assert_close_to_caffe
from tests.paths import GOLDEN

LEAST = np.finfo(np.float32).min


def caffe_count(size: int, kernel: int, stride: int, pad: int, any_pad: bool, ceil: bool) -> int:
    """PoolingLayer::Reshape, in floating point as it is there."""
    n = int((np.ceil if ceil else np.floor)((size + 2 * pad - kernel) / stride)) + 1
    return n - 1 if any_pad and (n - 1) * stride >= size + pad else n


def caffe_pool(x: np.ndarray, w: Window, method: str) -> tuple[np.ndarray, np.ndarray]:
    """PoolingLayer::Forward_cpu over one channel: the top, and the mask of MAX."""
    (height, width), (ph, pw) = x.shape, w.pad
    rows = caffe_count(height, w.kernel[0], w.stride[0], ph, any(w.pad), w.ceil)
    columns = caffe_count(width, w.kernel[1], w.stride[1], pw, any(w.pad), w.ceil)
    top, mask = np.full((rows, columns), LEAST), np.full((rows, columns), -1.0)
    for r, c in np.ndindex(rows, columns):
        h0, w0 = r * w.stride[0] - ph, c * w.stride[1] - pw
        h1, w1 = min(h0 + w.kernel[0], height + ph), min(w0 + w.kernel[1], width + pw)
        area = (h1 - h0) * (w1 - w0)
        inside = [
            (i, j)
            for i in range(max(h0, 0), min(h1, height))
            for j in range(max(w0, 0), min(w1, width))
        ]
        if method == "ave":
            with np.errstate(invalid="ignore"):
                top[r, c] = np.float32(sum(x[p] for p in inside)) / np.float32(area)
        for i, j in inside if method == "max" else ():
            if x[i, j] > top[r, c]:
                top[r, c], mask[r, c] = x[i, j], i * width + j
    return top, mask


PAIR = st.tuples(st.integers(1, 5), st.integers(1, 5))


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, tuple[int, int]]:
    kernel, stride, size = draw(PAIR), draw(PAIR), draw(st.tuples(*[st.integers(1, 12)] * 2))
    pad = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    w = Window(kernel, stride, pad, draw(st.booleans()))
    assume(min(w.counts(size)) > 0)
    return w, size


@settings(deadline=None, max_examples=150)
@given(windows(), st.integers(0, 2**31))
def test_any_window_pools_as_caffe(case: tuple[Window, tuple[int, int]], seed: int) -> None:
    w, size = case
    # Few values, so that maxima are often equal.
    x = np.random.default_rng(seed).integers(-3, 4, size).astype(np.float32)
    bottom = torch.from_numpy(x)[None, None]
    top, mask = MaxPool(w, mask=True)(bottom)
    expected, places = caffe_pool(x, w, "max")
    assert_close_to_caffe(top[0, 0], expected)
    assert_close_to_caffe(mask[0, 0], places)
    assert_close_to_caffe(MaxPool(w)(bottom)[0, 0], expected)
    assert_close_to_caffe(MaxPool(w)(bottom.clone().requires_grad_())[0, 0].detach(), expected)
    assert_close_to_caffe(AvePool(w)(bottom)[0, 0], caffe_pool(x, w, "ave")[0])


@pytest.mark.parametrize("name", ["a", "b_ceil", "c_rect"])
def test_stochastic_pooling_follows_the_gpu_kernel(name: str) -> None:
    with np.load(GOLDEN / "derived" / "stochastic_pool_test.npz") as npz:
        x, y, (kh, kw, stride) = (npz[f"{key}/{name}"] for key in ("x", "y", "kernel_h_w_stride"))
    pool = StochasticPool(Window((int(kh), int(kw)), (int(stride), int(stride))))
    assert_close_to_caffe(pool(torch.from_numpy(x)), y)


def test_stochastic_pooling_of_nothing_positive_is_zero() -> None:
    assert StochasticPool(None)(torch.full((1, 1, 2, 2), -1.0)).tolist() == [[[[0.0]]]]


def test_first_of_equal_maxima_gets_the_gradient() -> None:
    x = torch.ones(1, 1, 3, 3, requires_grad=True)
    MaxPool(Window((2, 2), (2, 2)))(x).sum().backward()
    assert x.grad is not None
    assert x.grad[0, 0].tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 1]]
