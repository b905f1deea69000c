"""Losses of forks that hold numbers against numbers, against loops after their source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.errors import NetError, ShapeError, UnsupportedLayerError
from tests.layers.build import layer
from tests.layers.transcribed import Array, close, ran
from tests.nets import net

RNG = np.random.default_rng(3)
SHAPES = [(4, 6), (2, 3, 2, 2)]


def smooth(d: float, sigma: float) -> tuple[float, float]:
    """Return loss and slope of one error (smooth_L1_loss_layer.cu of Fast R-CNN)."""
    if abs(d) < 1 / sigma**2:
        return 0.5 * d * d * sigma**2, sigma**2 * d
    return abs(d) - 0.5 / sigma**2, float(np.sign(d))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [1.0, 3.0])
@pytest.mark.parametrize("divides", [True, False])
def test_smooth_l1_of_fast_rcnn(shape: tuple[int, ...], sigma: float, divides: bool) -> None:
    x, target, outside = (RNG.normal(size=shape) for _ in range(3))
    inside = RNG.integers(0, 3, size=shape) / 2
    normalizer = shape[0] if divides else 1
    loss, diff = 0.0, np.zeros(shape)
    for i in np.ndindex(*shape):
        one, slope = smooth(inside[i] * (x[i] - target[i]), sigma)
        loss += outside[i] * one / normalizer
        diff[i] = 2.5 * slope * inside[i] * outside[i] / normalizer
    how = "" if divides else "loss_param { normalization: NONE }"
    options = f"smooth_l1_loss_param {{ sigma: {sigma} }} {how}"
    got = ran("SmoothL1Loss", options, [x, target, inside, outside], top_diff=2.5)
    close(got.tops[0], loss)
    close(got.diffs[0], diff)
    close(got.diffs[1], -diff)
    assert got.diffs[2] is got.diffs[3] is None


def test_smooth_l1_without_weights_takes_sigma_too() -> None:
    x, target = RNG.normal(size=(2, 5)), RNG.normal(size=(2, 5))
    want = sum(smooth(d, 2.0)[0] for d in (x - target).flat) / 2
    got = ran("SmoothL1Loss", "smooth_l1_loss_param { sigma: 2 }", [x, target])
    close(got.tops[0], want)


@pytest.mark.parametrize(
    ("bottoms", "tops", "options", "words"),
    [
        (3, 1, "", "3 bottoms hold weights"),
        (4, 2, "loss_weight: 1 loss_weight: 0", "goes with 2 or 3 bottoms"),
        (2, 1, "loss_param { normalize: true } smooth_l1_loss_param { sigma: 3 }", "sigma"),
    ],
)
def test_smooth_l1_of_no_fork_is_refused(bottoms: int, tops: int, options: str, words: str) -> None:
    with pytest.raises((ShapeError, UnsupportedLayerError), match=words):
        layer("SmoothL1Loss", options, bottoms=bottoms, tops=tops)


def test_smooth_l1_takes_equal_shapes_only() -> None:
    rule = layer("SmoothL1Loss", bottoms=2)
    assert rule.top_shapes([(2, 4), (2, 4, 1, 1)]) == [()]
    with pytest.raises(ShapeError, match="have to be equal"):
        rule.top_shapes([(2, 4), (2, 5)])


def l1(d: Array, distance: bool, averaged: bool, entries: bool, plateau: float) -> Array:
    """Return loss and gradient of errors (N, C, H, W), after l1loss_layer.cu."""
    n, channels = d.shape[:2]
    mask = ~np.isnan(d)
    scale = mask.sum() / channels if entries else n
    diff = np.zeros_like(d)
    loss = 0.0
    for i, h, w in np.ndindex(n, *d.shape[2:]):
        errors = np.where(mask[i, :, h, w], d[i, :, h, w], 0)
        if distance:
            share = 1 / channels if averaged else 1
            square = (errors**2).sum() * share
            flat = plateau > 0 and square < plateau**2
            root = np.sqrt((0 if flat else square) + 0.01)
            loss += root
            diff[i, :, h, w] = 0 if flat else 0.5 / root * share * 2 * errors
        else:
            kept = mask[i, :, h, w] & ~((plateau > 0) & (np.abs(errors) < plateau))
            sign = np.where(errors > 0, 1, -1)
            loss += (np.where(kept, errors, 0) * sign).sum()
            diff[i, :, h, w] = sign * kept
    return loss / scale, diff * mask / scale


@pytest.mark.parametrize("distance", [False, True])
@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("entries", [False, True])
@pytest.mark.parametrize("plateau", [0.0, 0.7])
def test_l1_loss(distance: bool, averaged: bool, entries: bool, plateau: float) -> None:
    x, target = RNG.normal(size=(2, 3, 3, 4)), RNG.normal(size=(2, 3, 3, 4))
    target[0, 1, 2, 3] = np.nan
    target[1, 0, 0, 0] = x[1, 0, 0, 0]
    options = (
        f"l1_loss_param {{ l2_per_location: {str(distance).lower()} "
        f"l2_prescale_by_channels: {str(averaged).lower()} "
        f"normalize_by_num_entries: {str(entries).lower()} plateau: {plateau} }}"
    )
    loss, diff = l1(x - target, distance, averaged, entries, plateau)
    got = ran("L1Loss", options, [x, target], top_diff=0.5)
    close(got.tops[0], loss, 1e-6)
    close(got.diffs[0], 0.5 * diff, 1e-6)
    close(got.diffs[1], -0.5 * diff, 1e-6)
    alone = ran("L1Loss", options, [x - target], top_diff=0.5)
    close(alone.tops[0], loss, 1e-6)
    close(alone.diffs[0], 0.5 * diff, 1e-6)


def test_svr_loss_leaves_the_scores_without_gradient() -> None:
    x, target = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    got = ran("SVRLoss", "", [x, target], top_diff=3.0)
    close(got.tops[0], sum(abs(d) for d in (x - target).flat) / 4)
    close(got.diffs[0], 3 * np.sign(x - target) / 4)
    assert got.diffs[1] is None
    with pytest.raises(ShapeError):
        layer("SVRLoss", bottoms=2).top_shapes([(4, 3), (4, 2)])


def test_accuracy_regression() -> None:
    x, target = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    got = ran("ACCURACY_REGRESSION", "", [x, target.reshape(4, 3, 1, 1)])
    close(got.tops[0].item(), sum(np.sqrt(d * d) for d in (x - target).flat) / 4 / 2)
    with pytest.raises(ShapeError, match="top_k"):
        layer("ACCURACY_REGRESSION", "accuracy_param { top_k: 9 }", 2).top_shapes([(4, 3)] * 2)


NET = """
input: "x" input_shape {{ dim: 2 dim: 3 }}
input: "y" input_shape {{ dim: 2 dim: 3 }}
layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "{kind}" bottom: "ip" bottom: "y" top: "loss" {options} }}
"""


@pytest.mark.parametrize("kind", ["SmoothL1Loss", "L1Loss", "SVRLoss"])
def test_falls_away_for_scoring_and_runs_when_asked_for(tmp_path: Path, kind: str) -> None:
    text = NET.format(kind=kind, options="")
    assert net(tmp_path, text).outputs == ("ip",)
    model = net(tmp_path, text, outputs=["loss"])
    feed = {"x": np.ones((2, 3), np.float32), "y": np.zeros((2, 3), np.float32)}
    assert model.run(feed)["loss"].shape == ()


def test_a_loss_that_sets_up_without_caffes_counts_for_nothing_by_itself(tmp_path: Path) -> None:
    plain = net(tmp_path, NET.format(kind="SmoothL1Loss", options=""), phase="TRAIN")
    assert plain.net.losses == {"loss": 1}
    text = NET.format(kind="SmoothL1LossOHEM", options="")
    assert net(tmp_path, text, phase="TRAIN").net.losses == {}
    text = NET.format(kind="SmoothL1LossOHEM", options="loss_weight: 2")
    assert net(tmp_path, text, phase="TRAIN").net.losses == {"loss": 2}


def test_a_wrong_number_of_bottoms_is_refused_with_the_layers_name(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="'loss' \\(SVRLoss\\): it takes exactly 2"):
        net(tmp_path, NET.format(kind="SVRLoss", options='bottom: "x"'), phase="TRAIN")
