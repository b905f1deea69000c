"""Interp, Upsample and Unpooling against loops written after their forks' sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.graph.ir import Shape
from tests.compare import assert_close_to_caffe
from tests.layers.build import layer, random
from tests.nets import net

Array = np.ndarray[Any, Any]


def interp_by_loops(x: Array, beg: int, end: int, size: tuple[int, int]) -> Array:
    """Return what caffe_cpu_interp2 computes, a place at a time."""
    x = x[:, :, -beg : x.shape[2] + end, -beg : x.shape[3] + end]
    n, c, rows, columns = x.shape
    top = np.zeros((n, c, *size))
    steps = [
        np.float32((a - 1) / (b - 1)) if b > 1 else 0.0
        for a, b in ((rows, size[0]), (columns, size[1]))
    ]
    for i in range(size[0]):
        for j in range(size[1]):
            h, w = float(steps[0]) * i, float(steps[1]) * j
            h0, w0 = int(h), int(w)
            h1, w1 = min(h0 + 1, rows - 1), min(w0 + 1, columns - 1)
            above = (1 - (w - w0)) * x[:, :, h0, w0] + (w - w0) * x[:, :, h0, w1]
            below = (1 - (w - w0)) * x[:, :, h1, w0] + (w - w0) * x[:, :, h1, w1]
            top[:, :, i, j] = (1 - (h - h0)) * above + (h - h0) * below
    return top


INTERP = [
    ("height: 7 width: 9", (2, 3, 4, 5), 0, 0, (7, 9)),
    ("height: 4 width: 5", (2, 3, 4, 5), 0, 0, (4, 5)),
    ("height: 2 width: 3", (1, 2, 5, 6), 0, 0, (2, 3)),
    ("height: 1 width: 1", (2, 1, 3, 3), 0, 0, (1, 1)),
    ("height: 3 width: 4", (2, 1, 1, 1), 0, 0, (3, 4)),
    ("zoom_factor: 8", (1, 2, 3, 4), 0, 0, (17, 25)),
    ("shrink_factor: 2", (1, 2, 7, 6), 0, 0, (4, 3)),
    ("shrink_factor: 2 zoom_factor: 3", (1, 1, 7, 6), 0, 0, (10, 7)),
    ("shrink_factor: 2 height: 5 width: 5", (1, 1, 7, 6), 0, 0, (4, 3)),
    ("shrink_factor: 2 zoom_factor: 3 height: 5 width: 5", (1, 1, 7, 6), 0, 0, (5, 5)),
    ("zoom_factor: 2 pad_beg: -1", (1, 2, 5, 4), -1, 0, (7, 5)),
    ("height: 6 width: 3 pad_beg: -1 pad_end: -2", (2, 1, 6, 7), -1, -2, (6, 3)),
]


@pytest.mark.parametrize(("options", "shape", "beg", "end", "size"), INTERP)
def test_interp_is_bilinear_between_the_corners(
    options: str, shape: Shape, beg: int, end: int, size: tuple[int, int]
) -> None:
    interp = layer("Interp", f"interp_param {{ {options} }}")
    x = random(*shape)
    assert interp.top_shapes([shape]) == [(*shape[:2], *size)]
    assert_close_to_caffe(interp.module([shape])(x), interp_by_loops(x.numpy(), beg, end, size))


def test_interp_takes_the_size_of_a_second_bottom() -> None:
    x, like = random(2, 3, 4, 5), random(2, 7, 9, 6)
    shapes = [tuple(x.shape), tuple(like.shape)]
    for options in ("interp_param { use_blob_size: true }", ""):
        interp = layer("Interp", options, bottoms=2)
        assert interp.top_shapes(shapes) == [(2, 3, 9, 6)]
        top = interp.module(shapes)(x, like)
        assert_close_to_caffe(top, interp_by_loops(x.numpy(), 0, 0, (9, 6)))


def test_interps_gradient_is_the_adjoint() -> None:
    interp = layer("Interp", "interp_param { zoom_factor: 3 pad_end: -1 }").module([(2, 2, 4, 3)])
    assert torch.autograd.gradcheck(interp, random(2, 2, 4, 3).double().requires_grad_())


def unpool_by_loops(x: Array, mask: Array, size: tuple[int, int]) -> Array:
    """Return what UpsampleLayer::Forward_cpu computes: later elements overwrite earlier ones."""
    top = np.zeros((*x.shape[:2], size[0] * size[1]), x.dtype)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for value, place in zip(x[n, c].flat, mask[n, c].flat, strict=True):
                top[n, c, int(place)] = value
    return top.reshape(*x.shape[:2], *size)


def pooled(shape: Shape, kernel: int, stride: int) -> tuple[Tensor, Tensor]:
    """Return a pooling's top and mask."""
    options = f"pooling_param {{ kernel_size: {kernel} stride: {stride} }}"
    top, mask = layer("Pooling", options, tops=2).module([shape])(random(*shape))
    return top, mask


MASKED = [
    ("Upsample", "", (2, 3, 4, 6), (2, 2), (4, 6)),
    ("Upsample", "upsample_param { scale: 2 }", (2, 3, 4, 6), (2, 2), (4, 6)),
    ("Upsample", "upsample_param { scale: 2 pad_out_h: true }", (1, 2, 5, 6), (2, 2), (5, 6)),
    ("Upsample", "upsample_param { pad_out_h: 1 pad_out_w: 1 }", (1, 2, 5, 7), (2, 2), (5, 7)),
    ("Upsample", "upsample_param { scale_h: 3 scale_w: 3 }", (1, 2, 6, 9), (3, 3), (6, 9)),
    (
        "Upsample",
        "upsample_param { scale: 2 upsample_w: 7 upsample_h: 5 }",
        (2, 1, 5, 7),
        (2, 2),
        (5, 7),
    ),
    ("Unpooling", "pooling_param { kernel_size: 3 stride: 2 }", (2, 2, 7, 9), (3, 2), (7, 9)),
    (
        "Unpooling",
        "unpooling_param { unpool: MAX kernel_size: 2 stride: 2 unpool_size: 6 }",
        (2, 2, 6, 6),
        (2, 2),
        (6, 6),
    ),
    ("Unpooling", "unpooling_param { unpool_h: 4 unpool_w: 6 }", (1, 2, 4, 6), (2, 2), (4, 6)),
]


@pytest.mark.parametrize(("kind", "options", "shape", "window", "size"), MASKED)
def test_elements_go_back_where_the_mask_found_them(
    kind: str, options: str, shape: Shape, window: tuple[int, int], size: tuple[int, int]
) -> None:
    _, mask = pooled(shape, *window)
    x = random(*mask.shape).requires_grad_()
    shapes = [tuple(x.shape)] * 2
    unpooling = layer(kind, options, bottoms=2)
    assert unpooling.top_shapes(shapes) == [(*shape[:2], *size)]
    top = unpooling.module(shapes)(x, mask)
    assert_close_to_caffe(top.detach(), unpool_by_loops(x.detach().numpy(), mask.numpy(), size))
    above = random(*top.shape)
    top.backward(above)
    assert x.grad is not None
    places = mask.flatten(2).long()
    assert torch.equal(x.grad.flatten(2), above.flatten(2).gather(2, places))


def test_a_mask_of_a_larger_image_is_refused() -> None:
    upsample = layer("Upsample", bottoms=2).module([(1, 1, 2, 2)] * 2)
    for place in (16, -1):
        with pytest.raises(ShapeError, match="the mask has places"):
            upsample(random(1, 1, 2, 2), torch.full((1, 1, 2, 2), float(place)))


def test_upsample_without_a_mask_repeats() -> None:
    x = random(2, 3, 2, 4).double().requires_grad_()
    for options, scale in (("upsample_param { scale: 3 }", 3), ("", 1)):
        upsample = layer("Upsample", options)
        assert upsample.top_shapes([(2, 3, 2, 4)]) == [(2, 3, 2 * scale, 4 * scale)]
        module = upsample.module([(2, 3, 2, 4)])
        expected = x.detach().numpy().repeat(scale, 2).repeat(scale, 3)
        np.testing.assert_array_equal(module(x).detach(), expected)
        assert torch.autograd.gradcheck(module, x)


def test_they_run_in_a_net(tmp_path: Path) -> None:
    text = """
    layer { name: "in" type: "Input" top: "x" input_param { shape { dim: [2, 3, 6, 8] } } }
    layer { name: "pool" type: "Pooling" bottom: "x" top: "pool" top: "mask"
            pooling_param { kernel_size: 2 stride: 2 } }
    layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "up"
            upsample_param { scale: 2 } }
    layer { name: "interp" type: "Interp" bottom: "pool" bottom: "x" top: "interp"
            interp_param { use_blob_size: true } }
    layer { name: "square" type: "Upsample" bottom: "pool" top: "square"
            upsample_param { scale: 2 } }
    """
    model = net(tmp_path, text)
    x = random(2, 3, 6, 8).numpy()
    blobs = model.run({"x": x}, ["up", "interp", "square", "mask"])
    assert {blob: a.shape for blob, a in blobs.items()} == {
        blob: model.blob_shapes[blob] for blob in blobs
    }
    kept = blobs["up"] != 0
    np.testing.assert_array_equal(blobs["up"][kept], x[kept])
    assert kept.sum() == 2 * 3 * 12


REFUSED = [
    ("Interp", "", 1),
    ("Interp", "interp_param { height: 4 }", 1),
    ("Interp", "interp_param { zoom_factor: 0 }", 1),
    ("Interp", "interp_param { zoom_factor: 2 pad_beg: 1 }", 1),
    ("Interp", "interp_param { zoom_factor: 2 full_zoom_factor: 2 }", 1),
    ("Interp", "interp_param { use_blob_size: true }", 1),
    ("Interp", "interp_param { use_blob_size: true zoom_factor: 2 }", 2),
    ("Upsample", "upsample_param { scale: 0 }", 1),
    ("Upsample", "upsample_param { scale: 2 pad_out_h: true }", 1),
    ("Upsample", "upsample_param { scale: 2 stride: 2 }", 1),
    ("Upsample", "upsample_param { scale: 1 }", 2),
    ("Upsample", "upsample_param { upsample_h: 4 }", 2),
    ("Upsample", "upsample_param { scale: 3 pad_out_w: true }", 2),
    ("Upsample", "upsample_param { scale: 2 scale_h: 2 scale_w: 2 }", 2),
    ("Unpooling", "pooling_param { pool: AVE kernel_size: 2 }", 2),
    ("Unpooling", "pooling_param { global_pooling: true }", 2),
    ("Unpooling", "unpooling_param { unpool: TILE unpool_size: 4 }", 2),
    ("Unpooling", "unpooling_param { kernel_size: 2 }", 2),
]


@pytest.mark.parametrize(("kind", "options", "bottoms"), REFUSED)
def test_wrong_options_are_refused(kind: str, options: str, bottoms: int) -> None:
    with pytest.raises(CaffeError):
        layer(kind, options, bottoms)


@pytest.mark.parametrize(
    ("kind", "options", "bottoms"),
    [
        ("Interp", "interp_param { zoom_factor: 2 }", [(2, 3)]),
        ("Interp", "interp_param { zoom_factor: 2 pad_end: -4 }", [(1, 1, 4, 9)]),
        ("Upsample", "", [(1, 2, 3, 4), (1, 2, 4, 3)]),
        ("Upsample", "upsample_param { scale: 2 }", [(2, 3)]),
    ],
)
def test_wrong_shapes_are_refused(kind: str, options: str, bottoms: list[Shape]) -> None:
    with pytest.raises(ShapeError):
        layer(kind, options, len(bottoms)).top_shapes(bottoms)
