"""Python layers that are losses, against the arithmetic of their numpy code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.errors import ShapeError
from tests.layers.build import layer
from tests.layers.transcribed import close, ran
from tests.nets import net

RNG = np.random.default_rng(23)


def test_euclidean_loss_of_caffes_example() -> None:
    x, target = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    got = ran("pyloss.EuclideanLossLayer", "", [x, target], top_diff=5)
    close(got.tops[0], np.array([((x - target) ** 2).sum() / 4 / 2]))
    close(got.diffs[0], (x - target) / 4)  # whatever arrives from above
    close(got.diffs[1], -(x - target) / 4)


@pytest.mark.parametrize(("columns", "left", "right"), [(10, 0, 2), (136, 72, 90)])
def test_landmarks_over_the_distance_between_the_eyes(columns: int, left: int, right: int) -> None:
    x, target = RNG.normal(size=(3, columns)), RNG.normal(size=(3, columns))
    scaled = np.zeros_like(x)
    for n in range(3):
        apart = target[n, left : left + 2] - target[n, right : right + 2]
        scaled[n] = (x[n] - target[n]) / (1e-6 + np.sqrt((apart**2).sum()))
    got = ran("python.NormlizedMSE.NormlizedMSE", "", [x, target], top_diff=5)
    close(got.tops[0], np.array([(scaled**2).sum() / 3 / 2]))
    close(got.diffs[0], scaled / 3)
    close(got.diffs[1], -scaled / 3)


def test_landmarks_of_another_number_are_refused() -> None:
    rule = layer("python.NormlizedMSE.NormlizedMSE", bottoms=2)
    with pytest.raises(ShapeError, match="136"):
        rule.top_shapes([(3, 12), (3, 12)])


def test_dice_loss_of_vnet() -> None:
    x, label = RNG.random((3, 2, 8)), RNG.integers(0, 2, size=(3, 1, 8))
    total, diff = 0.0, np.zeros_like(x)
    for n in range(3):
        found, truth = x[n].argmax(0), label[n, 0]
        union, common = found.sum() + truth.sum(), (found * truth).sum()
        total += 2 * common / (union + 0.00001)
        slope = 2 * (truth * union / union**2 - 2 * x[n, 1] * common / union**2)
        diff[n] = slope, -slope
    got = ran("pyLayer.DiceLoss", "", [x, label], top_diff=5)
    close(got.tops[0], np.array([total]))
    close(got.diffs[0], diff)
    assert got.diffs[1] is None
    with pytest.raises(ShapeError, match="voxels"):
        layer("pyLayer.DiceLoss", bottoms=2).top_shapes([(3, 3, 8), (3, 1, 8)])


LINREG = """
input: "x" input_shape { dim: 4 dim: 3 }
input: "y" input_shape { dim: 4 dim: 2 }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 2 } }
layer { name: "loss" type: "Python" bottom: "ip" bottom: "y" top: "loss" WEIGHT
  python_param { module: "pyloss" layer: "EuclideanLossLayer" } }
"""


def test_a_python_layer_counts_only_with_a_loss_weight(tmp_path: Path) -> None:
    weighted = LINREG.replace("WEIGHT", "loss_weight: 1")
    assert net(tmp_path, weighted).outputs == ("ip",)
    assert net(tmp_path, weighted, phase="TRAIN").net.losses == {"loss": 1}
    plain = net(tmp_path, LINREG.replace("WEIGHT", ""), phase="TRAIN")
    assert plain.net.losses == {}
    feed = {"x": np.zeros((4, 3), np.float32), "y": np.ones((4, 2), np.float32)}
    np.testing.assert_array_equal(plain.run(feed)["loss"], [1])
