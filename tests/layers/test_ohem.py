"""R-FCN's online hard example mining, against loops after its source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import ShapeError
from tests.layers.build import layer
from tests.layers.test_regression_losses import smooth
from tests.layers.transcribed import Array, close, ran
from tests.nets import net

RNG = np.random.default_rng(5)
MODES = {"": 24, "normalization: FULL": 24, "normalization: BATCH_SIZE": 4, "normalize: false": 4}
MODES |= {"normalization: NONE": 1, "normalization: PRE_FIXED pre_fixed_normalizer: 7": 7}


@pytest.mark.parametrize("kind", ["SmoothL1LossOHEM", "SmoothL1Loss"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("weighted", [False, True])
def test_smooth_l1_loss_ohem(kind: str, mode: str, weighted: bool) -> None:
    x, target = RNG.normal(size=(4, 3, 2, 3)), RNG.normal(size=(4, 3, 2, 3))
    weight = RNG.integers(0, 3, size=x.shape) / 2 if weighted else np.ones_like(x)
    each, diff = np.zeros((4, 1, 2, 3)), np.zeros_like(x)
    for n, c, h, w in np.ndindex(*x.shape):
        one, slope = smooth(weight[n, c, h, w] * (x[n, c, h, w] - target[n, c, h, w]), 1)
        each[n, 0, h, w] += one
        diff[n, c, h, w] = 3 * slope / MODES[mode]
    bottoms = [x, target, weight] if weighted else [x, target]
    options = f"loss_weight: 1 loss_weight: 0 loss_param {{ {mode} }}"
    got = ran(kind, options, bottoms, tops=2, top_diff=3)
    close(got.tops[0], each.sum() / MODES[mode])
    close(got.tops[1], each)
    close(got.diffs[0], diff)
    close(got.diffs[1], -diff)


def test_smooth_l1_loss_ohem_of_rows_gives_four_axes() -> None:
    rule = layer("SmoothL1LossOHEM", bottoms=3, tops=2)
    assert rule.top_shapes([(5, 8)] * 3) == [(), (5, 1, 1, 1)]
    x = RNG.normal(size=(5, 8))
    assert ran("SmoothL1LossOHEM", "", [x, x, x], tops=2).tops[1].shape == (5, 1, 1, 1)


@pytest.mark.parametrize("ignore", [None, -1, 2])
@pytest.mark.parametrize("mode", ["", "normalization: NONE", "normalization: PRE_FIXED"])
def test_softmax_with_loss_ohem(ignore: int | None, mode: str) -> None:
    x, labels = RNG.normal(size=(3, 4, 2, 2)), RNG.integers(0, 4, size=(3, 1, 2, 2))
    x[0, 0, 0, 0], labels[0, 0, 0, 0] = 200, 1  # a probability below FLT_MIN
    if ignore is not None:
        labels[1, 0] = ignore
    prob = np.exp(x - x.max(1, keepdims=True))
    prob /= prob.sum(1, keepdims=True)
    each, diff, valid = np.zeros(labels.shape), prob.copy(), 0
    for n, _, h, w in np.ndindex(*labels.shape):
        label = labels[n, 0, h, w]
        if label == ignore:
            diff[n, :, h, w] = 0
            continue
        valid += 1
        each[n, 0, h, w] = -np.log(max(prob[n, label, h, w], float(np.finfo(np.float32).tiny)))
        diff[n, label, h, w] -= 1
    divisor = {"": valid, "normalization: NONE": 1, "normalization: PRE_FIXED": 9}[mode]
    given = "" if ignore is None else f"ignore_label: {ignore}"
    options = f"loss_param {{ {mode} {given} pre_fixed_normalizer: 9 }} " + "loss_weight: 0 " * 3
    got = ran("SoftmaxWithLossOHEM", options, [x, labels], tops=3, top_diff=2)
    close(got.tops[0], each.sum() / divisor)
    close(got.tops[1], prob)
    close(got.tops[2], each)
    close(got.diffs[0], 2 * diff / divisor)
    assert got.diffs[1] is None


def annotate(boxes: Array, loss: Array, labels: Array, weights: Array, limit: int) -> list[Array]:
    """Choose boxes one by one, after box_annotator_ohem_layer.cpp."""
    n, _, height, width = boxes.shape
    chosen, weighed = np.full(labels.shape, -1.0), np.zeros(weights.shape)
    left = [limit] * (int(boxes[:, 0].max()) + 1)
    places = list(np.ndindex(n, height, width))
    for i, h, w in sorted(places, key=lambda p: -loss[p[0], 0, p[1], p[2]]):
        image = int(boxes[i, 0, h, w])
        if left[image] > 0:
            left[image] -= 1
            chosen[i, 0, h, w] = labels[i, 0, h, w]
            weighed[i, :, h, w] = weights[i, :, h, w]
    return [chosen, weighed]


@pytest.mark.parametrize("place", [(1, 1), (2, 2)])
@pytest.mark.parametrize("limit", [1, 3, 99])
def test_box_annotator_ohem(place: tuple[int, int], limit: int) -> None:
    boxes = RNG.normal(size=(12, 5, *place))
    boxes[:, 0] = RNG.integers(0, 3, size=(12, *place))
    loss = RNG.permutation(np.arange(12.0 * place[0] * place[1])).reshape(12, 1, *place)
    labels, weights = RNG.integers(0, 9, size=loss.shape), RNG.normal(size=(12, 8, *place))
    options = f"box_annotator_ohem_param {{ roi_per_img: {limit} }}"
    got = ran("BoxAnnotatorOHEM", options, [boxes, loss, labels, weights], tops=2)
    for ours, theirs in zip(got.tops, annotate(boxes, loss, labels, weights, limit), strict=True):
        close(ours, theirs)
    assert got.diffs == [None] * 4


def test_of_equal_losses_box_annotator_ohem_keeps_those_that_gcc_sorts_first() -> None:
    boxes, weights = np.zeros((20, 5, 1, 1)), np.ones((20, 8, 1, 1))
    loss = (np.arange(20.0) % 3).reshape(20, 1, 1, 1)
    options = "box_annotator_ohem_param { roi_per_img: 9 }"
    got = ran("BoxAnnotatorOHEM", options, [boxes, loss, np.ones_like(loss), weights], tops=2)
    assert set(np.flatnonzero(got.tops[0] == 1)) == {2, 17, 5, 14, 8, 11, 10, 19, 16}


def test_box_annotator_ohem_says_which_bottom_does_not_fit() -> None:
    rule = layer("BoxAnnotatorOHEM", "box_annotator_ohem_param { roi_per_img: 2 }", 4, 2)
    assert rule.top_shapes([(6, 5), (6,), (6, 1), (6, 8)]) == [(6, 1, 1, 1), (6, 8, 1, 1)]
    with pytest.raises(ShapeError, match="bottom 2 is"):
        rule.top_shapes([(6, 5), (6,), (5,), (6, 8)])
    with pytest.raises(ShapeError, match="roi_per_img"):
        layer("BoxAnnotatorOHEM", "box_annotator_ohem_param { roi_per_img: 0 }", 4, 2)


MINING = """
input: "score" input_shape { dim: 6 dim: 3 }
input: "pred" input_shape { dim: 6 dim: 4 }
input: "rois" input_shape { dim: 6 dim: 5 }
input: "labels" input_shape { dim: 6 dim: 1 dim: 1 dim: 1 }
input: "targets" input_shape { dim: 6 dim: 4 }
input: "weights" input_shape { dim: 6 dim: 4 }
layer { name: "a" type: "SoftmaxWithLossOHEM" bottom: "score" bottom: "labels" top: "l" top: "p"
  top: "each_label" loss_weight: 0 loss_weight: 0 loss_weight: 0
  propagate_down: false propagate_down: false }
layer { name: "b" type: "SmoothL1LossOHEM" bottom: "pred" bottom: "targets" bottom: "weights"
  top: "m" top: "each_box" loss_weight: 0 loss_weight: 0 }
layer { name: "c" type: "Eltwise" bottom: "each_label" bottom: "each_box" top: "each" }
layer { name: "d" type: "BoxAnnotatorOHEM" bottom: "rois" bottom: "each" bottom: "labels"
  bottom: "weights" top: "hard" top: "hard_weights" box_annotator_ohem_param { roi_per_img: 2 } }
layer { name: "e" type: "SoftmaxWithLoss" bottom: "score" bottom: "hard" top: "loss"
  loss_param { ignore_label: -1 } }
layer { name: "f" type: "SmoothL1LossOHEM" bottom: "pred" bottom: "targets" bottom: "hard_weights"
  top: "box_loss" loss_weight: 1 loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 2 } }
"""


def test_mining_trains_on_the_hardest_boxes_alone(tmp_path: Path) -> None:
    module = net(tmp_path, MINING, phase="TRAIN").to_torch()
    generator = torch.Generator().manual_seed(1)
    feed = {
        blob: torch.randn(shape, generator=generator) for blob, shape in module.net.inputs.items()
    }
    feed["labels"] = torch.randint(0, 3, (6, 1, 1, 1), generator=generator).float()
    feed["weights"] = torch.ones(6, 4)
    feed["rois"][:, 0] = torch.tensor([0, 0, 0, 1, 1, 1])
    feed["score"].requires_grad_()
    feed["pred"].requires_grad_()
    module.loss(feed).backward()
    for blob in ("score", "pred"):
        kept = feed[blob].grad.abs().sum(1) > 0
        assert kept[:3].sum() == kept[3:].sum() == 2, blob
