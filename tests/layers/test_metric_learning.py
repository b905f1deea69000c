"""Losses of features of forks, against loops after their source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.errors import CaffeError, ShapeError, UnsupportedLayerError
from tests.layers.build import layer
from tests.layers.transcribed import Array, close, numeric, ran
from tests.nets import net

RNG = np.random.default_rng(13)
CENTRES = "center_loss_param { num_output: 4 }"


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 2, 1)])
def test_center_loss(shape: tuple[int, ...]) -> None:
    x, labels = RNG.normal(size=shape), np.array([0, 1, 1, 3, 1, 0])
    features = x[0].size
    centres = RNG.normal(size=(4, features))
    distances = x.reshape(6, features) - centres[labels]
    moves = np.zeros_like(centres)
    for k in range(4):
        rows = [i for i in range(6) if labels[i] == k]
        for i in rows:
            moves[k] -= distances[i] / (len(rows) + 1)
    got = ran("CenterLoss", CENTRES, [x, labels], blobs=[centres], top_diff=0.3)
    close(got.tops[0], (distances**2).sum() / 6 / 2)
    close(got.diffs[0], 0.3 * distances.reshape(shape) / 6)
    assert got.diffs[1] is None
    close(got.blob_diffs[0], moves)  # whatever arrives from above


def test_center_loss_fills_its_centres_and_refuses_what_has_none(tmp_path: Path) -> None:
    text = """
    input: "x" input_shape { dim: 3 dim: 5 }  input: "y" input_shape { dim: 3 }
    layer { name: "c" type: "CenterLoss" bottom: "x" bottom: "y" top: "c" loss_weight: 0.01
      center_loss_param { num_output: 4 center_filler { type: "constant" value: 2 } } }
    """
    model = net(tmp_path, text, phase="TRAIN")
    np.testing.assert_array_equal(model.params["c"][0].detach(), np.full((4, 5), 2))
    feed = {"x": np.zeros((3, 5), np.float32), "y": np.array([0, 1, 3], np.float32)}
    assert model.run(feed)["c"] == 10
    with pytest.raises(CaffeError, match="label 4"):
        model.run({**feed, "y": feed["y"] + 1})


@pytest.mark.parametrize(
    ("options", "shapes", "words"),
    [
        ("center_loss_param { num_output: 0 }", [(3, 5), (3,)], "num_output"),
        (CENTRES, [(3, 5), (3, 2)], "give one each"),
        ("center_loss_param { num_output: 4 axis: 2 }", [(3, 5, 2), (3,)], "axis 2"),
        ("center_loss_param { num_output: 4 alpha: 0.5 }", [(3, 5), (3,)], "alpha"),
    ],
)
def test_center_loss_refuses(options: str, shapes: list[tuple[int, ...]], words: str) -> None:
    with pytest.raises((ShapeError, UnsupportedLayerError), match=words):
        layer("CenterLoss", options, bottoms=2).top_shapes(shapes)


def triplet(x: Array, unlike: int, margin: float, kind: int) -> float:
    """Return the loss, set by set, after triplet_loss_layer.cpp."""
    loss, size = 0.0, 2 + unlike
    for first in range(0, len(x), size):
        alike = ((x[first] - x[first + 1]) ** 2).sum()
        loss += alike
        for j in range(unlike):
            other = ((x[first] - x[first + 2 + j]) ** 2).sum()
            excess = 1 - other / (alike + margin) if kind else margin + alike - other
            loss += max(excess, 0)
    return loss / (len(x) // size) / 2


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("unlike", [1, 3])
def test_triplet_loss(kind: int, unlike: int) -> None:
    x = RNG.normal(size=(3 * (2 + unlike), 4))
    options = f"triplet_loss_param {{ losstype: {kind} margin: 1.5 num_triplets: {unlike} }}"
    got = ran("TripletLoss", options, [x, np.zeros(len(x))], top_diff=2)
    close(got.tops[0], triplet(x, unlike, 1.5, kind))
    close(got.diffs[0], 2 * numeric(lambda a: triplet(a, unlike, 1.5, kind), x), 1e-6)


def test_triplet_loss_takes_whole_sets() -> None:
    rule = layer("TripletLoss", bottoms=2)
    assert rule.top_shapes([(10, 4), (10, 1)]) == [()]
    with pytest.raises(ShapeError, match="whole sets"):
        rule.top_shapes([(8, 4), (8, 1)])
    with pytest.raises(ShapeError, match="channels"):
        rule.top_shapes([(10, 4, 2, 2), (10, 1)])


@pytest.mark.parametrize("threshold", [-1, 0.5])
@pytest.mark.parametrize("labels", [(5, 3), (5,)])
def test_pairwise_loss(threshold: float, labels: tuple[int, ...]) -> None:
    x, label = RNG.normal(size=(5, 4)), RNG.integers(0, 2, size=labels)
    rows = label.reshape(5, -1)
    loss, slope = 0.0, np.zeros((5, 5))
    for i, j in np.ndindex(5, 5):
        alike, product = float(rows[i] @ rows[j] > 0), x[i] @ x[j]
        if 0 <= threshold <= product:
            loss += product * (1 - alike)
        else:
            loss += np.log(1 + np.exp(product)) - alike * product
        slope[i, j] = 2 * (1 / (1 + 1 / np.exp(product)) - alike)
    got = ran("PairwiseLoss", f"pairwise_param {{ threshold: {threshold} }}", [x, label], 1, (), 3)
    close(got.tops[0], loss / 25)
    close(got.diffs[0], 3 / 25 * slope @ x)


@pytest.mark.parametrize("threshold", [-1, 0.2])
def test_quantization_loss(threshold: float) -> None:
    x = RNG.normal(size=(3, 4))
    x[0, 0], x[1, 1] = 0, 400  # where cosh overflows, only the threshold keeps the value finite
    loss, diff = 0.0, np.zeros_like(x)
    for i in np.ndindex(3, 4):
        d = abs(x[i]) - 1
        if threshold > 0 and d > threshold:
            loss += abs(d - np.log(2))
        else:
            loss += abs(np.log(np.cosh(d)))
        diff[i] = (1 if x[i] >= 0 else -1) * np.tanh(d) * 0.5 / 3
    options = f"quantization_param {{ threshold: {threshold} }}"
    got = ran("QuantizationLoss", options, [x], top_diff=0.5)
    close(got.tops[0], loss / 12)
    close(got.diffs[0], diff)


def test_xcov_loss() -> None:
    a, b = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2, 2, 1))
    flat = b.reshape(5, 4)
    a0, b0 = a - a.mean(0), flat - flat.mean(0)
    covariances = a0.T @ b0 / 5
    got = ran("XCovLoss", "", [a, b], top_diff=2)
    close(got.tops[0], (covariances**2).sum() / 2 * np.ones((1, 1, 1, 1)))
    close(got.diffs[0], 2 / 5 * b0 @ covariances.T)
    close(got.diffs[1], (2 / 5 * a0 @ covariances).reshape(b.shape))
