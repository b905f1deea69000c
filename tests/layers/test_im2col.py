"""Im2col and SPP against loops written after Caffe's, where the golden cases do not reach."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from tests.compare import assert_close_to_caffe
from tests.layers.build import layer, random

GEOMETRIES = [
    ((2, 3, 7), "kernel_size: 3 stride: 2 pad: 1", (3,), (2,), (1,), (1,)),
    ((2, 3, 5, 6), "kernel_h: 3 kernel_w: 2 stride: 2", (3, 2), (2, 2), (0, 0), (1, 1)),
    (
        (1, 2, 4, 5, 3),
        "kernel_size: [2, 3, 1] pad: [1, 0, 2]",
        (2, 3, 1),
        (1,) * 3,
        (1, 0, 2),
        (1,) * 3,
    ),
    (
        (1, 2, 6, 7),
        "kernel_size: 2 dilation: [3, 2] pad_h: 2 pad_w: 0",
        (2, 2),
        (1, 1),
        (2, 0),
        (3, 2),
    ),
]


def columns(x: np.ndarray, kernel: tuple, stride: tuple, pad: tuple, dilation: tuple) -> np.ndarray:
    """Return (n, c * kernel, places...), as im2col_nd_core_cpu lays them out."""
    n, c, *size = x.shape
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in pad)])
    axes = list(zip(size, kernel, stride, pad, dilation, strict=True))
    out = [(s + 2 * p - d * (k - 1) - 1) // t + 1 for s, k, t, p, d in axes]
    top = np.zeros((n, c, *kernel, *out), x.dtype)
    for offset in product(*map(range, kernel)):
        for place in product(*map(range, out)):
            at = tuple(
                o * t + i * d for o, t, i, d in zip(place, stride, offset, dilation, strict=True)
            )
            top[(slice(None), slice(None), *offset, *place)] = x[(slice(None), slice(None), *at)]
    return top.reshape(n, -1, *out)


@pytest.mark.parametrize(("shape", "options", "kernel", "stride", "pad", "dilation"), GEOMETRIES)
def test_im2col_over_any_number_of_axes(
    shape: tuple, options: str, kernel: tuple, stride: tuple, pad: tuple, dilation: tuple
) -> None:
    im2col = layer("Im2col", f"convolution_param {{ {options} }}")
    x = random(*shape).double().requires_grad_()
    top = im2col.module([shape])(x)
    expected = columns(x.detach().numpy(), kernel, stride, pad, dilation)
    assert im2col.top_shapes([shape]) == [tuple(top.shape)]
    assert_close_to_caffe(top.detach(), expected)
    assert torch.autograd.gradcheck(im2col.module([shape]), x)


def test_im2col_takes_the_axes_before_the_channels_as_one_batch() -> None:
    x = random(2, 3, 2, 5, 6)
    options = "kernel_size: 3 pad: 1"
    late = layer("Im2col", f"convolution_param {{ {options} axis: 2 }}")
    plain = layer("Im2col", f"convolution_param {{ {options} }}").module([(6, 2, 5, 6)])
    top = late.module([x.shape])(x)
    assert late.top_shapes([x.shape]) == [tuple(top.shape)] == [(2, 3, 18, 5, 6)]
    assert torch.equal(top.reshape(6, 18, 5, 6), plain(x.reshape(6, 2, 5, 6)))


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize("size", [(8, 8), (4, 12), (7, 9), (15, 7)])
def test_pyramid_bins_cover_the_bottom_evenly(pool: str, size: tuple[int, int]) -> None:
    spp = layer("SPP", f"spp_param {{ pyramid_height: 3 pool: {pool} }}")
    x = random(2, 3, *size)
    top = spp.module([x.shape])(x)
    assert spp.top_shapes([x.shape]) == [tuple(top.shape)]
    if not any(n % 4 for n in size):
        adaptive = {"MAX": torch.nn.AdaptiveMaxPool2d, "AVE": torch.nn.AdaptiveAvgPool2d}[pool]
        levels = [adaptive(2**level)(x).flatten(1) for level in range(3)]
        assert_close_to_caffe(top, torch.cat(levels, 1))


def test_a_pyramid_of_one_level_keeps_four_axes() -> None:
    spp = layer("SPP", "spp_param { pyramid_height: 1 pool: AVE }")
    x = random(2, 3, 5, 7)
    assert spp.top_shapes([x.shape]) == [(2, 3, 1, 1)]
    assert_close_to_caffe(spp.module([x.shape])(x), x.mean((2, 3), keepdim=True))
