"""SpatialPyramidPooling against loops written after its fork's source."""

from __future__ import annotations

from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import CaffeError, ShapeError
from tests.layers.build import layer, random
from tests.nets import net

Array = np.ndarray[Any, Any]


def spans(length: int, bins: int) -> list[slice]:
    """Return the bins as the fork's SetUp counts them, and its Forward rounds them."""
    step, found, end = np.float32(length / np.float32(bins)), [], 0
    while end < length:
        start = np.float32(len(found)) * step
        end = ceil(np.float32(start + step))
        found.append(slice(floor(start), min(end, length)))
    return found


def pyramid_by_loops(x: Array, bins: list[int]) -> Array:
    """Return the maxima of bins of fractions of elements, rounded outwards."""
    maxima = []
    for n in bins:
        grid = [
            x[:, :, rows, columns].max((2, 3))
            for rows in spans(x.shape[2], n)
            for columns in spans(x.shape[3], n)
        ]
        maxima.append(np.stack(grid, axis=2).reshape(len(x), -1))
    return np.concatenate(maxima, axis=1)


@pytest.mark.parametrize("size", [(6, 6), (13, 13), (13, 8), (7, 9), (14, 29)])
def test_each_grid_follows_the_one_before(size: tuple[int, int]) -> None:
    x = random(2, 2, *size).double().requires_grad_()
    bins = " ".join(f"spatial_bin: {n}" for n in (1, 2, 3, 6))
    options = f"spatial_pyramid_pooling_param {{ pool: MAX {bins} scale: 1 }}"
    pyramid = layer("SPATIAL_PYRAMID_POOLING", options)
    module = pyramid.module([x.shape])
    expected = pyramid_by_loops(x.detach().numpy(), [1, 2, 3, 6])[..., None, None]
    assert pyramid.top_shapes([tuple(x.shape)]) == [expected.shape]
    np.testing.assert_array_equal(module(x).detach(), expected)
    assert torch.autograd.gradcheck(module, x, fast_mode=True)


def test_voc2012_net_of_the_fork_has_the_bins_its_classifier_takes() -> None:
    bins = " ".join(f"spatial_bin: {n}" for n in (1, 2, 3, 6))
    pyramid = layer("SPATIAL_PYRAMID_POOLING", f"spatial_pyramid_pooling_param {{ {bins} }}")
    assert pyramid.top_shapes([(2, 256, 13, 13)]) == [(2, 256 * 50, 1, 1)]


def test_one_grid_alone_pools_everything(tmp_path: Path) -> None:
    text = """
    layer { name: "in" type: "Input" top: "x" input_param { shape { dim: [2, 3, 5, 4] } } }
    layer { name: "spp" type: "SpatialPyramidPooling" bottom: "x" top: "y"
            spatial_pyramid_pooling_param { spatial_bin: 2 } }
    """
    model = net(tmp_path, text)
    x = random(2, 3, 5, 4).numpy()
    top = model.run({"x": x})["y"]
    assert top.shape == model.blob_shapes["y"] == (2, 3, 1, 1)
    np.testing.assert_array_equal(top, x.max((2, 3), keepdims=True))


@pytest.mark.parametrize(
    "options",
    [
        "",
        "spatial_pyramid_pooling_param { spatial_bin: 0 }",
        "spatial_pyramid_pooling_param { spatial_bin: 1 pool: AVE }",
        "spatial_pyramid_pooling_param { spatial_bin: 1 } pooling_param { pool: AVE }",
        "spatial_pyramid_pooling_param { spatial_bin: 1 roi_start_h: 1 }",
    ],
)
def test_wrong_options_are_refused(options: str) -> None:
    with pytest.raises(CaffeError):
        layer("SPATIAL_PYRAMID_POOLING", options)


def test_more_bins_than_elements_are_refused() -> None:
    options = "spatial_pyramid_pooling_param { spatial_bin: 1 spatial_bin: 4 }"
    pyramid = layer("SpatialPyramidPooling", options)
    for shape in ((1, 1, 3, 9), (1, 4)):
        with pytest.raises(ShapeError):
            pyramid.top_shapes([shape])
