"""Pooling that only forks have, against loops written after their sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bigdl_caffe.errors import ShapeError
from tests.compare import assert_close_to_caffe
from tests.layers.build import layer, random
from tests.nets import net

Array = NDArray[np.float32]


def smallest(x: Array, kernel: int, stride: int, pad: int) -> tuple[Array, Array, Array]:
    """Return minima, their places, and how often each element is one (BVLC/caffe#5779)."""
    num, channels, height, width = x.shape
    rows, columns = (-(-(n + 2 * pad - kernel) // stride) + 1 for n in (height, width))
    rows -= bool(pad) and (rows - 1) * stride >= height + pad
    columns -= bool(pad) and (columns - 1) * stride >= width + pad
    top = np.full((num, channels, rows, columns), np.finfo(np.float32).max, np.float32)
    mask, times = np.full_like(top, -1), np.zeros_like(x)
    for at in np.ndindex(top.shape):
        starts = [i * stride - pad for i in at[2:]]
        for h in range(max(starts[0], 0), min(starts[0] + kernel, height)):
            for w in range(max(starts[1], 0), min(starts[1] + kernel, width)):
                if x[at[0], at[1], h, w] < top[at]:
                    top[at], mask[at] = x[at[0], at[1], h, w], h * width + w
        times[at[0], at[1]].flat[int(mask[at])] += 1
    return top, mask, times


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(2, 2, 0), (3, 2, 1), (3, 1, 2)])
def test_min_pooling(kernel: int, stride: int, pad: int) -> None:
    options = f"pool: MIN kernel_size: {kernel} stride: {stride} pad: {pad}"
    x = random(2, 3, 5, 7).round().requires_grad_()  # with several elements of a size
    pool = layer("Pooling", f"pooling_param {{ {options} }}", tops=2)
    top, mask = pool.module([tuple(x.shape)])(x)
    wanted, places, times = smallest(x.detach().numpy(), kernel, stride, pad)
    assert pool.top_shapes([tuple(x.shape)]) == [top.shape, mask.shape]
    assert_close_to_caffe(top.detach(), wanted)
    assert_close_to_caffe(mask.detach(), places)
    top.sum().backward()
    assert_close_to_caffe(x.grad, times)


def test_min_pooling_of_everything(tmp_path: Path) -> None:
    text = """input: "x" input_shape { dim: 2 dim: 3 dim: 4 dim: 5 }
    layer { name: "p" type: "Pooling" bottom: "x" top: "y"
            pooling_param { pool: MIN global_pooling: true } }"""
    x = random(2, 3, 4, 5).numpy()
    assert_close_to_caffe(net(tmp_path, text).run({"x": x})["y"], x.min((2, 3), keepdims=True))


def test_only_max_and_min_have_a_mask() -> None:
    with pytest.raises(ShapeError, match="MIN"):
        layer("Pooling", "pooling_param { pool: AVE kernel_size: 2 }", tops=2)
