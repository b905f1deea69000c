"""SpatialPyramidPooling against loops written after its fork's source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import CaffeError, ShapeError
from tests.layers.build import layer, random
from tests.nets import net

Array = np.ndarray[Any, Any]


def pyramid_by_loops(x: Array, bins: list[int]) -> Array:
    """Return the maxima of windows as large as their steps, the last ones cut off."""
    rows, columns = x.shape[2:]
    maxima = []
    for n in bins:
        height, width = rows // n, columns // n
        grid = [
            x[:, :, top : top + height, left : left + width].max((2, 3))
            for top in range(0, rows, height)
            for left in range(0, columns, width)
        ]
        maxima.append(np.stack(grid, axis=2).reshape(len(x), -1))
    return np.concatenate(maxima, axis=1)


@pytest.mark.parametrize("size", [(6, 6), (13, 8), (7, 9)])
def test_each_grid_follows_the_one_before(size: tuple[int, int]) -> None:
    x = random(2, 3, *size).double().requires_grad_()
    bins = " ".join(f"spatial_bin: {n}" for n in (1, 2, 3, 6))
    options = f"spatial_pyramid_pooling_param {{ pool: MAX {bins} scale: 1 }}"
    pyramid = layer("SPATIAL_PYRAMID_POOLING", options)
    module = pyramid.module([(2, 3, *size)])
    expected = pyramid_by_loops(x.detach().numpy(), [1, 2, 3, 6])[..., None, None]
    assert pyramid.top_shapes([(2, 3, *size)]) == [expected.shape]
    np.testing.assert_array_equal(module(x).detach(), expected)
    assert torch.autograd.gradcheck(module, x)


def test_one_grid_alone_keeps_its_axes(tmp_path: Path) -> None:
    text = """
    layer { name: "in" type: "Input" top: "x" input_param { shape { dim: [2, 3, 5, 4] } } }
    layer { name: "spp" type: "SpatialPyramidPooling" bottom: "x" top: "y"
            spatial_pyramid_pooling_param { spatial_bin: 2 } }
    """
    model = net(tmp_path, text)
    x = random(2, 3, 5, 4).numpy()
    top = model.run({"x": x})["y"]
    assert top.shape == model.blob_shapes["y"] == (2, 3, 3, 2)
    np.testing.assert_array_equal(top.reshape(2, -1), pyramid_by_loops(x, [2]))


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
    pyramid = layer("SpatialPyramidPooling", "spatial_pyramid_pooling_param { spatial_bin: 4 }")
    for shape in ((1, 1, 3, 9), (1, 4)):
        with pytest.raises(ShapeError):
            pyramid.top_shapes([shape])
