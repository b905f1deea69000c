"""Layers that draw at random: what they draw on average, and that a seed repeats it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bigdl_caffe.errors import UnsupportedLayerError
from tests.compare import assert_close_to_caffe
from tests.layers.build import layer, random
from tests.layers.golden import Case, cases
from tests.nets import net

DROPOUT = [c for c in cases() if c.meta["layer"] == "Dropout" and c.meta.get("random")]
SHAPE = (2, 3, 6, 7)


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in DROPOUT])
def test_dropout_keeps_caffes_share_and_scales_it(case: Case) -> None:
    torch.manual_seed(4)
    ratio = 0.3 if "03" in case.name else 0.5
    (x,), (caffes,) = case.step(0, "in").values(), (case.tops(0)["y"],)
    bottom = torch.ones(100, *x.shape, requires_grad=True)
    top = case.load().to_torch()({"x": bottom})["y"]
    top.backward(torch.full_like(top, 3))
    for kept, scaled in ((top != 0, top), (torch.tensor(caffes != 0), torch.tensor(caffes / x))):
        share = kept.float().mean().item()
        assert share == pytest.approx(1 - ratio, abs=4 * (0.25 / kept.numel()) ** 0.5)
        torch.testing.assert_close(scaled, kept / (1 - ratio))
    torch.testing.assert_close(bottom.grad, 3 * top)


@pytest.mark.parametrize(
    ("options", "phase", "kept"),
    [
        ("scale_train: false", "TRAIN", 1.0),
        ("scale_train: true", "TRAIN", 2.0),
        ("scale_test: true", "TRAIN", 1.0),
        ("sample_weights_test: true", "TEST", 2.0),
    ],
)
def test_dropout_of_forks_draws_too(options: str, phase: str, kept: float) -> None:
    dropout = layer("Dropout", f"dropout_param {{ {options} }}", phase=phase).module([SHAPE])
    assert dropout(torch.ones(SHAPE)).unique().tolist() == [0, kept]


@pytest.mark.parametrize("options", ["scale_train: false", "scale_test: true"])
def test_dropout_of_forks_scales_when_scoring(options: str) -> None:
    dropout = layer("Dropout", f"dropout_param {{ dropout_ratio: 0.25 {options} }}").module([SHAPE])
    assert_close_to_caffe(dropout(random(*SHAPE)), random(*SHAPE) * 0.75)


def test_dropout_refuses_what_is_not_known_of() -> None:
    with pytest.raises(UnsupportedLayerError, match="scale_tests"):
        layer("Dropout", "dropout_param { scale_tests: true }")


def windows(x: Tensor, kernel: int, stride: int) -> list[Tensor]:
    """Return the elements of each window of a plane, clipped at its ends, row by row."""
    starts = [
        range(0, max(n - kernel + stride - 1, 0) // stride * stride + 1, stride) for n in x.shape
    ]
    return [x[h : h + kernel, w : w + kernel].flatten() for h in starts[0] for w in starts[1]]


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 2), (3, 3)])
def test_stochastic_pooling_draws_elements_by_their_share(kernel: int, stride: int) -> None:
    torch.manual_seed(5)
    options = f"pooling_param {{ pool: STOCHASTIC kernel_size: {kernel} stride: {stride} }}"
    pool = layer("Pooling", options, phase="TRAIN").module([SHAPE])
    plane = random(6, 7).relu()
    draws = pool(plane.expand(4000, 1, 6, 7)).flatten(1)
    places = windows(plane, kernel, stride)
    assert draws.shape[1] == len(places)
    for drawn, window in zip(draws.unbind(1), places, strict=True):
        assert set(drawn.tolist()) <= set(window[window > 0].tolist() or [0.0])
        for value in window[window > 0]:
            share = (value / window.sum()).item()
            assert (drawn == value).float().mean().item() == pytest.approx(share, abs=0.04)


def test_stochastic_pooling_sends_the_gradient_where_it_drew() -> None:
    torch.manual_seed(6)
    x = random(*SHAPE).relu().requires_grad_()
    options = "pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }"
    top = layer("Pooling", options, phase="TRAIN").module([SHAPE])(x)
    top.backward(top.detach())
    chosen = x.grad != 0
    torch.testing.assert_close(x.grad[chosen], x[chosen])
    assert chosen.sum() == (top != 0).sum()


def test_stochastic_pooling_of_the_test_phase_is_the_mean_of_its_draws() -> None:
    torch.manual_seed(7)
    options = "pooling_param { pool: STOCHASTIC global_pooling: true }"
    x = random(1, 3, 4, 4).relu()
    mean = layer("Pooling", options).module([x.shape])(x)
    draws = layer("Pooling", options, phase="TRAIN").module([x.shape])(x.expand(4000, -1, -1, -1))
    torch.testing.assert_close(draws.mean(0, keepdim=True), mean, rtol=0.05, atol=0)


def test_pyramids_draw_in_the_test_phase_too() -> None:
    torch.manual_seed(8)
    spp = layer("SPP", "spp_param { pyramid_height: 2 pool: STOCHASTIC }")
    x = torch.arange(1.0, 17).reshape(1, 1, 4, 4)
    assert spp.top_shapes([(1, 1, 4, 4)]) == [(1, 5)]
    tops = torch.stack([spp.module([(1, 1, 4, 4)])(x) for _ in range(20)])
    assert (tops.std(0) > 0).all()
    assert np.isin(tops.numpy(), x.numpy()).all()


def test_a_seed_repeats_a_net(tmp_path: Path) -> None:
    model = net(
        tmp_path,
        """
        input: 'x' input_shape { dim: 2 dim: 3 dim: 6 dim: 7 }
        layer { name: 'pool' type: 'Pooling' bottom: 'x' top: 'y'
          pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 } }
        layer { name: 'drop' type: 'Dropout' bottom: 'y' top: 'y' }
        """,
        phase="TRAIN",
    )
    feed = {"x": random(*SHAPE).abs().numpy()}
    tops = [torch.manual_seed(seed) and model.run(feed)["y"] for seed in (1, 1, 2)]
    assert_close_to_caffe(tops[0], tops[1])
    assert np.abs(tops[0] - tops[2]).max() > 0
