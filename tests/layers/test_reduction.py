"""ArgMax, Reduction and MVN against loops written after Caffe's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.compare import assert_close_to_caffe
from tests.layers.build import layer, random

SHAPE = (3, 4, 2, 5)


def largest(row: np.ndarray, k: int) -> list[tuple[float, int]]:
    """Return (value, place) pairs as std::partial_sort with std::greater orders them."""
    return sorted(((float(value), i) for i, value in enumerate(row)), reverse=True)[:k]


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_argmax_orders_equal_elements_as_caffe(axis: int | None, values: bool, k: int) -> None:
    x = torch.randint(0, 3, SHAPE, generator=torch.Generator().manual_seed(1)).float()
    along = "" if axis is None else f"axis: {axis}"
    options = f"argmax_param {{ top_k: {k} out_max_val: {str(values).lower()} {along} }}"
    argmax = layer("ArgMax", options)
    top = argmax.module([SHAPE])(x)
    assert argmax.top_shapes([SHAPE]) == [tuple(top.shape)]
    rows = x.flatten(1) if axis is None else x.movedim(axis, -1).flatten(0, -2)
    pairs = np.array([largest(row, k) for row in rows.numpy()])
    if axis is None:
        expected = pairs[..., ::-1].transpose(0, 2, 1) if values else pairs[:, None, :, 1]
        assert_close_to_caffe(top[..., 0], expected)
    else:
        ours = top.movedim(axis, -1).flatten(0, -2)
        assert_close_to_caffe(ours, pairs[..., 0 if values else 1])


@pytest.mark.parametrize("operation", ["SUM", "ASUM", "SUMSQ", "MEAN"])
@pytest.mark.parametrize("axis", [0, 1, 3, -2])
def test_reductions_have_caffes_gradients(operation: str, axis: int) -> None:
    options = f"reduction_param {{ operation: {operation} axis: {axis} coeff: -1.5 }}"
    reduction = layer("Reduction", options)
    x = random(*SHAPE).double().requires_grad_()
    module = reduction.module([SHAPE])
    assert reduction.top_shapes([SHAPE]) == [tuple(module(x).shape)]
    assert torch.autograd.gradcheck(module, x)


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 4, 5), SHAPE])
@pytest.mark.parametrize("across", ["true", "false"])
def test_mvn_takes_fewer_axes_and_gives_four(shape: tuple[int, ...], across: str) -> None:
    mvn = layer("MVN", f"mvn_param {{ across_channels: {across} eps: 0.5 }}")
    x = random(*shape).double()
    four = x.reshape(*shape, *[1] * (4 - len(shape)))
    axes = (1, 2, 3) if across == "true" else (2, 3)
    centred = four - four.mean(axes, keepdim=True)
    expected = centred / (centred.square().mean(axes, keepdim=True).sqrt() + 0.5)
    top = mvn.module([shape])(x)
    assert mvn.top_shapes([shape]) == [tuple(top.shape)]
    assert_close_to_caffe(top, expected)


def test_mvn_has_a_gradient_where_nothing_varies() -> None:
    x = torch.ones(1, 1, 2, 2, requires_grad=True)
    layer("MVN", "mvn_param { eps: 0.5 }").module([x.shape])(x)[..., 0].sum().backward()
    assert_close_to_caffe(x.grad, torch.tensor([[[[1.0, -1], [1, -1]]]]))
