"""Region pooling against loops written after the forks' sources."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bigdl_caffe.errors import ShapeError
from tests.layers.build import layer, random

Array = NDArray[np.floating]

ROIS = [
    [0, 0, 0, 80, 60],
    [1, 8, 8, 24, 40],  # 8 * scale ends in .5 and rounds away from 0
    [1, 40, 40, 40, 40],  # one element, for all cells
    [0, 60, 50, 20, 10],  # corners swapped
    [1, 64, 48, 400, 300],  # beyond the map
    [0, 900, 700, 999, 799],  # outside of it
    [0, -50, -24, 30, 30],
]


def c_round(x: float) -> int:
    return int(np.sign(x)) * floor(abs(x) + 0.5)


# --- ROIPooling ---------------------------------------------------------------------------


def roi_pool(x: Array, rois: Array, size: tuple[int, int], scale: float) -> tuple[Array, Array]:
    """Return top and the flat place of each maximum, -1 without one (roi_pooling_layer.cpp)."""
    (_, channels, height, width), f = x.shape, x.dtype.type
    top = np.zeros((len(rois), channels, *size), x.dtype)
    place = np.full(top.shape, -1)
    for n, c, ph, pw in np.ndindex(top.shape):
        x1, y1, x2, y2 = (c_round(f(v) * f(scale)) for v in rois[n, 1:])
        tall, wide = f(max(y2 - y1 + 1, 1)) / f(size[0]), f(max(x2 - x1 + 1, 1)) / f(size[1])
        top_, bottom = floor(f(ph) * tall) + y1, ceil(f(ph + 1) * tall) + y1
        left, right = floor(f(pw) * wide) + x1, ceil(f(pw + 1) * wide) + x1
        best = -np.inf
        for h in range(max(top_, 0), min(bottom, height)):
            for w in range(max(left, 0), min(right, width)):
                if x[int(rois[n, 0]), c, h, w] > best:
                    best = top[n, c, ph, pw] = x[int(rois[n, 0]), c, h, w]
                    place[n, c, ph, pw] = h * width + w
    return top, place


def roi_gradient(x: Array, rois: Array, place: Array, above: Array, scale: float) -> Array:
    """Return what reaches the bottom: nothing beyond a roi's own corners."""
    gradient, width = np.zeros_like(x), x.shape[3]
    for n, c, ph, pw in np.ndindex(place.shape):
        x1, y1, x2, y2 = (c_round(v * scale) for v in rois[n, 1:])
        h, w = divmod(int(place[n, c, ph, pw]), width)
        if place[n, c, ph, pw] >= 0 and y1 <= h <= y2 and x1 <= w <= x2:
            gradient[int(rois[n, 0]), c, h, w] += above[n, c, ph, pw]
    return gradient


@pytest.mark.parametrize("size", [(2, 3), (7, 7), (1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_roi_pooling(size: tuple[int, int], dtype: torch.dtype) -> None:
    x = (random(2, 3, 5, 7) * 2).round().to(dtype)  # with many equal elements
    rois = torch.tensor(ROIS, dtype=dtype)
    options = (
        f"roi_pooling_param {{ pooled_h: {size[0]} pooled_w: {size[1]} spatial_scale: 0.0625 }}"
    )
    pooling = layer("ROIPooling", options, bottoms=2)
    top = pooling.module([x.shape, rois.shape])(x.requires_grad_(), rois)
    assert [tuple(top.shape)] == pooling.top_shapes([tuple(x.shape), tuple(rois.shape)])
    expected, place = roi_pool(x.detach().numpy(), rois.numpy(), size, 0.0625)
    np.testing.assert_array_equal(top.detach(), expected)
    module = pooling.module([x.shape, rois.shape])
    np.testing.assert_array_equal(module(x.detach(), rois), expected)  # the way without gradient
    above = random(*top.shape).to(dtype)
    top.backward(above)
    gradient = roi_gradient(x.detach().numpy(), rois.numpy(), place, above.numpy(), 0.0625)
    np.testing.assert_allclose(x.grad, gradient, atol=1e-6)


def test_roi_pooling_where_rounding_makes_a_cell_reach_beyond_the_roi() -> None:
    x = torch.arange(60.0).reshape(1, 1, 60, 1).requires_grad_()
    rois = torch.tensor([[0.0, 0, 0, 0, 56]])  # in single precision 7 * (57 / 7) is above 57
    options = "roi_pooling_param { pooled_h: 7 pooled_w: 1 }"
    top = layer("ROIPooling", options, bottoms=2).module([x.shape, rois.shape])(x, rois)
    top.sum().backward()
    assert top.flatten()[-1] == 57
    assert x.grad is not None
    assert x.grad[0, 0, 57, 0] == 0


def test_roi_pooling_of_no_rois() -> None:
    pooling = layer("ROIPooling", "roi_pooling_param { pooled_size: 2 }", bottoms=2)
    assert pooling.module([(1, 3, 4, 4), (0, 5)])(
        torch.ones(1, 3, 4, 4), torch.ones(0, 5)
    ).shape == (
        0,
        3,
        2,
        2,
    )


@pytest.mark.parametrize(
    "options",
    [
        "pooled_h: 2",
        "pooled_h: 2 pooled_size: 2",
        "pooled_size: 1 pooled_size: 2 pooled_size: 3",
    ],
)
def test_roi_pooling_refuses_sizes_that_say_nothing(options: str) -> None:
    with pytest.raises(ShapeError, match="pooled"):
        layer("ROIPooling", f"roi_pooling_param {{ {options} }}", bottoms=2)


def test_pooling_refuses_a_roi_of_no_image() -> None:
    pooling = layer("ROIPooling", "roi_pooling_param { pooled_size: 2 }", bottoms=2)
    with pytest.raises(ShapeError, match="image 3"):
        pooling.module([(1, 3, 4, 4), (1, 5)])(torch.ones(1, 3, 4, 4), torch.full((1, 5), 3.0))


# --- PSROIPooling -------------------------------------------------------------------------


def psroi_pool(x: Array, rois: Array, dim: int, group: int, scale: float) -> Array:
    """Return top of psroi_pooling_layer.cpp."""
    (_, _, height, width), f = x.shape, x.dtype.type
    top = np.zeros((len(rois), dim, group, group), x.dtype)
    for n, c, ph, pw in np.ndindex(top.shape):
        x1, y1 = (f(c_round(v)) * f(scale) for v in rois[n, 1:3])
        x2, y2 = (f(c_round(v) + 1) * f(scale) for v in rois[n, 3:])
        tall, wide = max(y2 - y1, f(0.1)) / f(group), max(x2 - x1, f(0.1)) / f(group)
        rows = slice(
            *(min(max(v, 0), height) for v in (floor(ph * tall + y1), ceil((ph + 1) * tall + y1)))
        )
        columns = slice(
            *(min(max(v, 0), width) for v in (floor(pw * wide + x1), ceil((pw + 1) * wide + x1)))
        )
        cell = x[int(rois[n, 0]), (c * group + ph) * group + pw, rows, columns]
        top[n, c, ph, pw] = cell.mean() if cell.size else 0
    return top


@pytest.mark.parametrize(("dim", "group"), [(2, 3), (3, 1)])
def test_psroi_pooling(dim: int, group: int) -> None:
    x, rois = random(2, dim * group * group, 5, 7), torch.tensor(ROIS, dtype=torch.float32)
    options = (
        f"psroi_pooling_param {{ spatial_scale: 0.0625 output_dim: {dim} group_size: {group} }}"
    )
    pooling = layer("PSROIPooling", options, bottoms=2)
    top = pooling.module([x.shape, rois.shape])(x, rois)
    assert [tuple(top.shape)] == pooling.top_shapes([tuple(x.shape), tuple(rois.shape)])
    expected = psroi_pool(x.numpy(), rois.numpy(), dim, group, 0.0625)
    np.testing.assert_allclose(top, expected, atol=1e-6)
    module = pooling.module([x.shape, rois.shape])
    inputs = (x.double().requires_grad_(), rois.double())
    assert torch.autograd.gradcheck(lambda a: module(a, inputs[1]), inputs[:1])


@pytest.mark.parametrize(("channels", "match"), [(7, "18"), (18, None)])
def test_psroi_pooling_counts_channels(channels: int, match: str | None) -> None:
    options = "psroi_pooling_param { spatial_scale: 1 output_dim: 2 group_size: 3 }"
    pooling = layer("PSROIPooling", options, bottoms=2)
    if match:
        with pytest.raises(ShapeError, match=match):
            pooling.top_shapes([(1, channels, 4, 4), (2, 5)])
    else:
        assert pooling.top_shapes([(1, channels, 4, 4), (2, 5, 1, 1)]) == [(2, 2, 3, 3)]
