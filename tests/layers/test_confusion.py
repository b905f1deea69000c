"""Metrics of segmentations and of confusions, against loops after their source."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import CaffeError, ShapeError, UnsupportedLayerError
from tests.layers.build import layer
from tests.layers.transcribed import Array, close, ran

RNG = np.random.default_rng(17)


def seg_accuracy(counts: Array) -> list[float]:
    """Return the three numbers of (label, prediction) → how often, after confusion_matrix.cpp."""
    classes = len(counts)
    recalls, overlap = [], 0.0
    for c in range(classes):
        right, of_label, of_class = counts[c, c], counts[c].sum(), counts[:, c].sum()
        if of_label > 0:
            recalls.append(right / of_label)
        union = of_label + of_class - right
        overlap += 1.0 if right == union else right / union
    total = counts.sum()
    share = counts.trace() / total if total else 0
    return [share, sum(recalls) / len(recalls) if recalls else 0, overlap / classes]


def count(x: Array, labels: Array, ignored: set[int]) -> Array:
    counts = np.zeros((x.shape[1],) * 2)
    for n, _, h, w in np.ndindex(*labels.shape):
        label = int(labels[n, 0, h, w])
        if label not in ignored:
            best = max(range(x.shape[1]), key=lambda c: (x[n, c, h, w], c))
            counts[label, best] += 1
    return counts


@pytest.mark.parametrize("ignored", [set(), {255}, {255, 1}])
def test_seg_accuracy(ignored: set[int]) -> None:
    x = RNG.integers(0, 3, size=(2, 5, 3, 4)).astype(float)  # with equal scores
    labels = RNG.integers(0, 4, size=(2, 1, 3, 4))  # without class 4
    if ignored:
        labels[0, 0, 0] = 255
    given = " ".join(f"ignore_label: {label}" for label in ignored)
    got = ran("SegAccuracy", f"seg_accuracy_param {{ {given} metric: PixelIOU }}", [x, labels])
    close(got.tops[0].flatten(), np.array(seg_accuracy(count(x, labels, ignored))))
    assert got.diffs == [None, None]


def test_seg_accuracy_of_nothing() -> None:
    x, labels = np.zeros((1, 2, 1, 2)), np.full((1, 1, 1, 2), 255)
    options = "seg_accuracy_param { ignore_label: 255 }"
    close(ran("SegAccuracy", options, [x, labels]).tops[0].flatten(), np.array([0, 0, 1.0]))


@pytest.mark.parametrize("reset", [True, False])
def test_seg_accuracy_goes_on_counting_without_reset(reset: bool) -> None:
    rule = layer("SegAccuracy", f"seg_accuracy_param {{ reset: {str(reset).lower()} }}", bottoms=2)
    module = rule.module([(2, 3, 2, 2), (2, 1, 2, 2)])
    total = np.zeros((3, 3))
    for _ in range(2):
        x, labels = RNG.normal(size=(2, 3, 2, 2)), RNG.integers(0, 3, size=(2, 1, 2, 2))
        total = count(x, labels, set()) + (0 if reset else total)
        got = module(torch.tensor(x), torch.tensor(labels))
        close(got.numpy().flatten(), np.array(seg_accuracy(total)))


def test_seg_accuracy_refuses_labels_and_shapes() -> None:
    with pytest.raises(CaffeError, match="label 3"):
        ran("SegAccuracy", "", [np.zeros((1, 2, 1, 1)), np.full((1, 1, 1, 1), 3)])
    with pytest.raises(ShapeError, match="labels"):
        layer("SegAccuracy", bottoms=2).top_shapes([(1, 2, 4, 4), (1, 1, 4, 3)])


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_confusion_matrix(axis: int) -> None:
    x = RNG.normal(size=(3, 4, 4)) - 1  # some scores below -1
    places = np.moveaxis(x, axis, -1)
    labels = RNG.integers(0, 3, size=places.shape[:-1])  # without class 3
    counts = np.zeros((4, 4))
    for place in np.ndindex(*labels.shape):
        best, least = 0, -1.0
        for k in range(4):
            if places[place][k] > least:
                best, least = k, places[place][k]
        counts[labels[place], best] += 1
    with np.errstate(invalid="ignore"):
        expected = counts / counts.sum(1, keepdims=True)
    got = ran("ConfusionMatrix", f"confusion_matrix_param {{ axis: {axis} }}", [x, labels])
    close(got.tops[0], expected)


def test_confusion_matrix_refuses_shapes_and_options() -> None:
    with pytest.raises(ShapeError, match="labels"):
        layer("ConfusionMatrix", bottoms=2).top_shapes([(4, 3), (5,)])
    with pytest.raises(UnsupportedLayerError, match="top_k"):
        layer("ConfusionMatrix", "confusion_matrix_param { top_k: 2 }", bottoms=2)
