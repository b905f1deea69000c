"""BN against arithmetic written after bn_layer.cpp of three forks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.layers.fork_normalization import BN
from tests.compare import assert_close_to_caffe
from tests.layers.build import filled, layer, random
from tests.nets import net

Array = np.ndarray[Any, Any]

SEGNET = "bn_param { bn_mode: LEARN scale_filler { value: 1 } shift_filler { value: 0.001 } }"
AFFINE = "bn_param { bn_mode: INFERENCE }"
PSPNET = "bn_param { slope_filler { value: 1 } momentum: 0.8 eps: 0.01 }"
FROZEN = "bn_param { frozen: true momentum: 0.95 }"
WINDOWS = "bn_param { scale_filler { value: 1 } var_eps: 0.01 decay: 0.3 }"
BY_BATCH = "bn_param { moving_average: false }"
FOUR_PARAMS = "param { } param { } param { lr_mult: 0 } param { lr_mult: 0 }"


def statistics(x: Array) -> tuple[Array, Array]:
    """Return each channel's mean and variance, added up an element at a time."""
    n, c, h, w = x.shape
    mean, variance = np.zeros((1, c, 1, 1)), np.zeros((1, c, 1, 1))
    for k in range(c):
        for value in x[:, k].flat:
            mean[0, k] += value / (n * h * w)
        for value in x[:, k].flat:
            variance[0, k] += (value - mean[0, k]) ** 2 / (n * h * w)
    return mean, variance


def by_batch(x: Array, scale: Array, shift: Array, eps: float) -> Array:
    mean, variance = statistics(x)
    return np.asarray((x - mean) / np.sqrt(variance + eps) * scale + shift)


def backward_by_batch(x: Array, scale: Array, eps: float, above: Array) -> tuple[Array, ...]:
    """Return the gradients of Backward_cpu: of bottom, scale and shift."""
    mean, variance = statistics(x)
    deviation = np.sqrt(variance + eps)
    norm, scaled = (x - mean) / deviation, above * scale
    count = x.size // x.shape[1]
    axes = (0, 2, 3)
    along = (norm * scaled).sum(axes, keepdims=True) * norm
    bottom = (scaled - (along + scaled.sum(axes, keepdims=True)) / count) / deviation
    return (
        bottom,
        (norm * above).sum(axes, keepdims=True),
        above.sum(axes, keepdims=True),
    )


def blobs(channels: int, n: int) -> list[torch.Tensor]:
    """Return ``n`` blobs of BN; the last of four holds positive variances."""
    made = [blob.clone() for blob in random(n, 1, channels, 1, 1).double()]
    return made if n == 2 else [*made[:3], made[3].abs() + 0.5]


CASES = [
    (SEGNET, "TRAIN", 1e-9, 2),
    (SEGNET, "TEST", 1e-9, 2),
    ("", "TEST", 1e-9, 2),
    (PSPNET, "TRAIN", 0.01, 4),
    (WINDOWS, "TRAIN", 0.01, 4),
    (BY_BATCH, "TEST", 1e-10, 4),
    (BY_BATCH, "TRAIN", 1e-10, 4),
]


@pytest.mark.parametrize(("options", "phase", "eps", "n"), CASES)
def test_normalises_by_the_batch(options: str, phase: str, eps: float, n: int) -> None:
    shape = (3, 4, 2, 5)
    bn = layer("BN", options, phase=phase)
    values = blobs(4, n)
    module = filled(bn, [shape], values)
    x = random(*shape).double().requires_grad_()
    scale, shift = values[0].numpy(), values[1].numpy()
    top = module(x)
    assert bn.mixes_rows([shape])
    assert_close_to_caffe(top.detach(), by_batch(x.detach().numpy(), scale, shift, eps))
    above = random(*shape).double().flip(0)
    top.backward(above)
    expected = backward_by_batch(x.detach().numpy(), scale, eps, above.numpy())
    got = (x.grad, module.weight.grad, module.bias.grad)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours is not None
        assert_close_to_caffe(ours, theirs)


@pytest.mark.parametrize(("options", "keep"), [(PSPNET, 0.8), (WINDOWS, 0.3), (BY_BATCH, 0.95)])
def test_training_mixes_the_batchs_statistics_in(options: str, keep: float) -> None:
    values = blobs(4, 4)
    before = [value.numpy().copy() for value in values]
    module = filled(layer("BN", options, phase="TRAIN"), [(2, 4, 3, 3)], values)
    x = random(2, 4, 3, 3).double()
    module(x)
    for stored, old, new in zip(
        (module.mean, module.variance), before[2:], statistics(x.numpy()), strict=True
    ):
        assert_close_to_caffe(stored, keep * old + (1 - keep) * new)


@pytest.mark.parametrize(
    ("options", "phase", "eps"),
    [
        (PSPNET, "TEST", 0.01),
        (FROZEN, "TEST", 1e-5),
        (FROZEN, "TRAIN", 1e-5),
        (WINDOWS, "TEST", 0.01),
        (FOUR_PARAMS, "TEST", 1e-5),
        (f"bn_param {{ scale_filler {{ value: 1 }} }} {FOUR_PARAMS}", "TEST", 1e-10),
    ],
)
def test_normalises_by_what_is_stored(options: str, phase: str, eps: float) -> None:
    shape = (2, 3, 4, 2)
    bn = layer("BN", options, phase=phase)
    values = blobs(3, 4)
    module = filled(bn, [shape], values)
    x = random(*shape).double().requires_grad_()
    scale, shift, mean, variance = (value.numpy() for value in values)
    factor = scale / np.sqrt(variance + eps)
    assert not bn.mixes_rows([shape])
    top = module(x)
    assert_close_to_caffe(top.detach(), (x.detach().numpy() - mean) * factor + shift)
    top.sum().backward()
    assert x.grad is not None
    assert_close_to_caffe(x.grad, np.broadcast_to(factor, shape))
    assert module.weight.requires_grad != (options == FROZEN)


def test_a_frozen_bn_starts_from_variance_one() -> None:
    for options, start in ((FROZEN, 1), (PSPNET, 0)):
        specs = layer("BN", options).blob_specs([(2, 3, 4, 4)])
        assert [spec.attr for spec in specs] == ["weight", "bias", "mean", "variance"]
        assert {spec.shape for spec in specs} == {(1, 3, 1, 1)}
        assert specs[3].filler is not None
        assert specs[3].filler.value == start


def test_segnets_inference_mode_only_scales_and_shifts() -> None:
    values = blobs(3, 2)
    bn = layer("BN", AFFINE, phase="TRAIN")
    module = filled(bn, [(2, 3, 4, 2)], values)
    x = random(2, 3, 4, 2).double().requires_grad_()
    assert not bn.mixes_rows([(2, 3, 4, 2)])
    np.testing.assert_allclose(module(x).detach(), (x * values[0] + values[1]).detach())
    assert torch.autograd.gradcheck(module, x)


def test_segnets_other_tops_are_the_batchs_statistics() -> None:
    for tops in (2, 3):
        bn = layer("BN", SEGNET, tops=tops)
        x = random(2, 3, 4, 5).double()
        got = filled(bn, [(2, 3, 4, 5)], blobs(3, 2))(x)
        assert [tuple(top.shape) for top in got] == bn.top_shapes([(2, 3, 4, 5)])
        for ours, theirs in zip(got[1:], statistics(x.numpy()), strict=False):
            assert_close_to_caffe(ours.detach(), theirs)


def test_one_element_a_channel_is_its_own_mean() -> None:
    values = blobs(3, 2)
    top = filled(layer("BN", SEGNET), [(1, 3, 1, 1)], values)(random(1, 3, 1, 1).double())
    np.testing.assert_allclose(top.detach(), values[1].detach())


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2)])
def test_pspnets_takes_fewer_axes(shape: tuple[int, ...], phase: str) -> None:
    bn = layer("BN", PSPNET, phase=phase)
    x = random(*shape).double()
    four = x.reshape(*shape, *[1] * (4 - len(shape)))
    assert bn.top_shapes([shape]) == [shape]
    top = filled(bn, [shape], blobs(3, 4))(x)
    expected = filled(bn, [shape], blobs(3, 4))(four)
    assert_close_to_caffe(top.detach(), expected.detach().reshape(shape))


def test_the_fields_tell_the_forks_apart() -> None:
    for options, source in (
        ("", "caffe-segnet"),
        (SEGNET, "caffe-segnet"),
        (AFFINE, "caffe-segnet"),
        (PSPNET, "PSPNet"),
        (FOUR_PARAMS, "PSPNet"),
        (WINDOWS, "caffe-windows"),
    ):
        bn = layer("BN", options)
        assert isinstance(bn, BN)
        assert bn.source == source


@pytest.mark.parametrize(
    ("options", "tops"),
    [
        ("bn_param { bn_mode: INFERENCE eps: 0.1 }", 1),
        ("bn_param { frozen: true scale_filler { value: 1 } }", 1),
        ("bn_param { var_eps: 1e-5 momentum: 0.9 }", 1),
        ("bn_param { axis: 2 }", 1),
        ("bn_param { eps: -1 }", 1),
        (AFFINE, 2),
        (PSPNET, 2),
    ],
)
def test_what_no_fork_has_is_refused(options: str, tops: int) -> None:
    with pytest.raises(CaffeError):
        layer("BN", options, tops=tops)


@pytest.mark.parametrize(("options", "shape"), [(SEGNET, (2, 3)), (PSPNET, (2,))])
def test_other_axes_are_refused(options: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="reshape it"):
        layer("BN", options).top_shapes([shape])


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("options", [SEGNET, AFFINE, PSPNET, FROZEN, WINDOWS])
def test_runs_in_a_net(tmp_path: Path, options: str, phase: str) -> None:
    text = f"""
    layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: [2, 3, 4, 5] }} }} }}
    layer {{ name: "bn" type: "BN" bottom: "x" top: "x" {options} }}
    """
    model = net(tmp_path, text, phase=phase)
    assert model.run({"x": random(2, 3, 4, 5).numpy()})["x"].shape == (2, 3, 4, 5)
