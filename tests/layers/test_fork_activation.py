"""Element-wise layers of forks: numpy after their sources, statistics of what is random."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import CaffeError, ShapeError
from tests.compare import assert_close_to_caffe
from tests.layers.build import layer, random
from tests.nets import net

SHAPE = (4, 3, 5, 6)
SPATIAL = "spatial_dropout.SpatialDropoutLayer"


def param_str(phase: str, p: str) -> str:
    text = f"{{'phase': '{phase}', 'p': '{p}'}}"
    module = 'module: "spatial_dropout" layer: "SpatialDropoutLayer"'
    return f'python_param {{ {module} param_str: "{text}" }}'


@pytest.mark.parametrize(
    ("options", "alpha", "scale"),
    [
        ("", 1.67326324, 1.050700987),
        ("selu_param { alpha: 2 lambda: 0.5 }", 2.0, 0.5),
    ],
)
def test_selu(options: str, alpha: float, scale: float) -> None:
    module = layer("SeLu", options).module([SHAPE])
    x = random(*SHAPE).double().requires_grad_()
    values = x.detach().numpy()
    below = alpha * (np.exp(values) - 1)
    assert_close_to_caffe(module(x).detach(), scale * np.where(values > 0, values, below))
    assert torch.autograd.gradcheck(module, x)


def test_selu_dropout_keeps_mean_and_variance() -> None:
    ratio, alpha = 0.25, -1.75809934
    options = f"selu_dropout_param {{ dropout_ratio: {ratio} }}"
    x = random(200_000).requires_grad_()
    assert layer("SeLuDropout", options).module([(200_000,)])(x) is x
    top = layer("SeLuDropout", options, phase="TRAIN").module([(200_000,)])(x)
    scale = ((1 - ratio) * (1 + ratio * alpha**2)) ** -0.5
    shift = -scale * ratio * alpha
    dropped = torch.isclose(top, torch.tensor(scale * alpha + shift))
    assert dropped.float().mean().item() == pytest.approx(ratio, abs=0.005)
    assert_close_to_caffe(top[~dropped].detach(), (x[~dropped] * scale + shift).detach())
    assert top.mean().item() == pytest.approx(0, abs=0.01)
    assert top.var().item() == pytest.approx(1, abs=0.02)
    top.sum().backward()
    assert x.grad is not None
    assert_close_to_caffe(x.grad, torch.where(dropped, 0, scale))


def test_spatial_dropout_zeroes_whole_channels_in_its_own_phase() -> None:
    x = random(100, 200, 2, 2)
    for phase in ("TRAIN", "TEST"):
        scaled = layer(SPATIAL, param_str("TEST", "0.2"), phase=phase).module([SHAPE])(x)
        assert_close_to_caffe(scaled, x / 0.8)
        top = layer(SPATIAL, param_str("TRAIN", "0.2"), phase=phase).module([SHAPE])(x)
        dropped = (top == 0).all(3).all(2)
        assert dropped.float().mean().item() == pytest.approx(0.2, abs=0.01)
        assert_close_to_caffe(top[~dropped], x[~dropped] / 0.8)
        assert len(set(dropped.sum(1).tolist())) > 5, "each row draws for itself"


@pytest.mark.parametrize(("options", "low", "high"), [("", 5, 10), ("lb: 3 ub: 8", 3, 8)])
def test_insanity_divides_what_is_below_zero(options: str, low: float, high: float) -> None:
    options = f"insanity_param {{ {options} }}"
    x = random(100_000, 2).double().requires_grad_()
    module = layer("Insanity", options).module([(100_000, 2)])
    slope = (high - low) / (log(high) - log(low))
    values = x.detach().numpy()
    assert_close_to_caffe(module(x).detach(), np.where(values > 0, values, values / slope))
    top = layer("Insanity", options, phase="TRAIN").module([(100_000, 2)])(x)
    below = x < 0
    slopes = (x[below] / top[below]).detach()
    assert torch.equal(top[~below], x[~below])
    assert low <= slopes.min() < low + 0.01
    assert high - 0.01 < slopes.max() <= high
    assert slopes.mean().item() == pytest.approx((low + high) / 2, abs=0.03)
    top.sum().backward()
    assert x.grad is not None
    assert_close_to_caffe(x.grad[below], 1 / slopes)


@pytest.mark.parametrize(("phase", "k"), [("TRAIN", 4), ("TEST", 6)])
def test_topk_keeps_the_largest_of_each_row(phase: str, k: int) -> None:
    shape = (3, 2, 2, 5)
    module = layer("TOPK", "topk_param { k: 4 a: 1.5 }", phase=phase).module([shape])
    x = random(*shape).double().requires_grad_()
    expected = np.zeros((3, 20))
    for row, kept in zip(x.detach().numpy().reshape(3, 20), expected, strict=True):
        largest = np.argsort(row)[-k:]
        kept[largest] = row[largest]
    np.testing.assert_array_equal(module(x).detach(), expected.reshape(shape))
    assert torch.autograd.gradcheck(module, x)


def test_topk_counts_in_single_precision() -> None:
    assert layer("TOPK", "topk_param { k: 100 a: 1.15 }").module([(1, 200)]).k == 115


def test_they_run_in_a_net(tmp_path: Path) -> None:
    text = f"""
    layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: [4, 3, 5, 6] }} }} }}
    layer {{ name: "a" type: "SeLu" bottom: "x" top: "x" }}
    layer {{ name: "b" type: "SeLuDropout" bottom: "x" top: "x" }}
    layer {{ name: "c" type: "Insanity" bottom: "x" top: "x" insanity_param {{ lb: 3 ub: 5 }} }}
    layer {{ name: "d" type: "Python" bottom: "x" top: "y"
             {param_str("TEST", "0.1")} }}
    layer {{ name: "e" type: "TopK" bottom: "y" top: "z" topk_param {{ k: 3 a: 1 }} }}
    """
    for phase in ("TRAIN", "TEST"):
        top = net(tmp_path, text, phase=phase).run({"x": random(*SHAPE).numpy()})["z"]
        assert top.shape == SHAPE
        assert (top != 0).sum() == 3 * 4


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SeLu", "selu_param { beta: 1 }"),
        ("SeLuDropout", "selu_dropout_param { dropout_ratio: 1 }"),
        ("Insanity", "insanity_param { lb: 3 ub: 3 }"),
        ("Insanity", "insanity_param { lb: -3 }"),
        ("Insanity", "insanity_param: 3"),
        ("TopK", ""),
        ("TopK", "topk_param { k: 1 }"),  # the fork keeps none in TEST without a
        ("TopK", "topk_param { k: 1 a: 0.5 }"),
        ("TopK", "topk_param { k: 1 across_channels: true }"),
        (SPATIAL, ""),
        (SPATIAL, param_str("TEST", "0")),
        (SPATIAL, param_str("TEST", "x")),
    ],
)
def test_wrong_options_are_refused(kind: str, options: str) -> None:
    with pytest.raises(CaffeError):
        layer(kind, options)


@pytest.mark.parametrize(
    ("kind", "options", "shape"),
    [
        ("Insanity", "", (3,)),
        ("TopK", "topk_param { k: 7 a: 1 }", (2, 6)),
        (SPATIAL, param_str("TEST", "0.1"), (2, 6)),
    ],
)
def test_wrong_shapes_are_refused(kind: str, options: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        layer(kind, options).top_shapes([shape])
