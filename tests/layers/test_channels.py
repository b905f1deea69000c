"""Axpy and ShuffleChannel against loops written after their forks' sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import Shape
from tests.compare import assert_close_to_caffe
from tests.layers.build import layer, random
from tests.nets import net

Array = np.ndarray[Any, Any]


def axpy_by_loops(scale: Array, x: Array, y: Array) -> Array:
    top = y.copy()
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            top[n, c] += scale.reshape(x.shape[:2])[n, c] * x[n, c]
    return top


def shuffle_by_loops(x: Array, group: int) -> Array:
    """Return what Resize_cpu copies: row i, column j of the groups to place j, i."""
    top, columns = np.empty_like(x), x.shape[1] // group
    for n in range(x.shape[0]):
        for i in range(group):
            for j in range(columns):
                top[n, j * group + i] = x[n, i * columns + j]
    return top


@pytest.mark.parametrize("scale", [(2, 3), (2, 3, 1, 1)])
def test_axpy_scales_each_channel_of_each_row(scale: Shape) -> None:
    shapes: list[Shape] = [scale, (2, 3, 4, 5), (2, 3, 4, 5)]
    axpy = layer("Axpy", bottoms=3)
    assert axpy.top_shapes(shapes) == [(2, 3, 4, 5)]
    module = axpy.module(shapes)
    bottoms = [random(*shape).double().requires_grad_() for shape in shapes]
    expected = axpy_by_loops(*(bottom.detach().numpy() for bottom in bottoms))
    assert_close_to_caffe(module(*bottoms).detach(), expected)
    assert torch.autograd.gradcheck(module, bottoms)


@pytest.mark.parametrize(("shape", "group"), [((2, 6, 3, 2), 3), ((2, 6, 3, 2), 2), ((3, 4), 4)])
def test_shuffle_takes_channels_from_each_group_in_turn(shape: Shape, group: int) -> None:
    shuffle = layer("ShuffleChannel", f"shuffle_channel_param {{ group: {group} }}")
    assert shuffle.top_shapes([shape]) == [shape]
    module, x = shuffle.module([shape]), random(*shape).double().requires_grad_()
    np.testing.assert_array_equal(module(x).detach(), shuffle_by_loops(x.detach().numpy(), group))
    assert torch.autograd.gradcheck(module, x)


def test_they_run_in_a_net(tmp_path: Path) -> None:
    text = """
    layer { name: "in" type: "Input" top: "x" top: "s"
            input_param { shape { dim: [2, 4, 3, 3] } shape { dim: [2, 4] } } }
    layer { name: "shuffle" type: "ShuffleChannel" bottom: "x" top: "y"
            shuffle_channel_param { group: 2 } }
    layer { name: "axpy" type: "Axpy" bottom: "s" bottom: "x" bottom: "y" top: "out" }
    """
    x, s = random(2, 4, 3, 3).numpy(), random(2, 4).numpy()
    got = net(tmp_path, text).run({"x": x, "s": s})["out"]
    assert_close_to_caffe(got, axpy_by_loops(s, x, shuffle_by_loops(x, 2)))


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 3), (2, 3, 4, 5), (2, 3, 5, 4)],
        [(2, 4), (2, 3, 4, 5), (2, 3, 4, 5)],
        [(2, 3, 4, 5), (2, 3, 4, 5), (2, 3, 4, 5)],
        [(2,), (2,), (2,)],
    ],
)
def test_axpys_shapes_have_to_fit(shapes: list[Shape]) -> None:
    with pytest.raises(ShapeError):
        layer("Axpy", bottoms=3).top_shapes(shapes)


def test_the_groups_have_to_be_equal() -> None:
    shuffle = layer("ShuffleChannel", "shuffle_channel_param { group: 3 }")
    for shape in ((2, 4, 1, 1), (3,)):
        with pytest.raises(ShapeError, match="groups"):
            shuffle.top_shapes([shape])
    with pytest.raises(ShapeError, match="group is 0"):
        layer("ShuffleChannel", "shuffle_channel_param { group: 0 }")
