"""CropCenter and SimpleCrop against slices written after their forks' sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import CaffeError, ShapeError, UnsupportedLayerError
from bigdl_caffe.graph.ir import Shape
from tests.layers.build import layer, random
from tests.nets import net

CENTER = "crop_center_param { crop_size: 0 crop_size: 1 crop_size: 2 crop_size: 3 }"


def test_crop_center_cuts_both_ends_of_each_axis() -> None:
    crop, shape = layer("CropCenter", CENTER), (2, 3, 5, 8)
    assert crop.top_shapes([shape]) == [(2, 1, 1, 2)]
    module, x = crop.module([shape]), random(*shape).double().requires_grad_()
    np.testing.assert_array_equal(module(x).detach(), x.detach()[:, 1:2, 2:3, 3:5])
    assert torch.autograd.gradcheck(module, x)


def test_simple_crop_keeps_the_upper_left() -> None:
    crop, shapes = layer("SimpleCrop", bottoms=2), [(2, 3, 5, 8), (2, 1, 4, 8)]
    assert crop.top_shapes(shapes) == [(2, 3, 4, 8)]
    module, x = crop.module(shapes), random(2, 3, 5, 8).double().requires_grad_()
    like = random(2, 1, 4, 8)
    np.testing.assert_array_equal(module(x, like).detach(), x.detach()[:, :, :4])
    assert torch.autograd.gradcheck(lambda x: module(x, like), x)


def test_they_run_in_a_net(tmp_path: Path) -> None:
    text = f"""
    layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: [2, 3, 5, 8] }} }} }}
    layer {{ name: "center" type: "CropCenter" bottom: "x" top: "center" {CENTER} }}
    layer {{ name: "simple" type: "SimpleCrop" bottom: "x" bottom: "center" top: "out" }}
    """
    x = random(2, 3, 5, 8).numpy()
    np.testing.assert_array_equal(net(tmp_path, text).run({"x": x})["out"], x[:, :, :1, :2])


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        (CENTER, (2, 3, 4, 8)),
        (CENTER, (2, 3, 5)),
        ("", (2, 3, 4, 5)),
    ],
)
def test_crop_center_needs_a_size_an_axis_and_something_left(options: str, shape: Shape) -> None:
    with pytest.raises(ShapeError):
        layer("CropCenter", options).top_shapes([shape])


@pytest.mark.parametrize("options", ["crop_size: -1", 'crop_size: "a"', "crop_size: 1 axis: 2"])
def test_other_options_are_refused(options: str) -> None:
    with pytest.raises(CaffeError):
        layer("CropCenter", f"crop_center_param {{ {options} }}")


def test_simple_crop_refuses_options_and_sizes_that_do_not_fit() -> None:
    with pytest.raises(UnsupportedLayerError, match="offset"):
        layer("SimpleCrop", "crop_param { offset: 3 }", bottoms=2)
    with pytest.raises(ShapeError, match="not larger"):
        layer("SimpleCrop", bottoms=2).top_shapes([(1, 1, 4, 4), (1, 1, 5, 4)])
