"""The Wasserstein loss, against the rule of its source written with plain sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.errors import CaffeError, CaffeFormatError, ShapeError
from tests.layers.build import layer
from tests.layers.transcribed import Array, close, ran

h5py = pytest.importorskip("h5py")
RNG = np.random.default_rng(19)


def metric_file(folder: Path, name: str = "data", classes: int = 4) -> Path:
    path = folder / "metric.h5"
    places = np.arange(classes, dtype=np.float32)
    with h5py.File(path, "w") as file:
        file[name] = np.abs(places[:, None] - places) / 2
    return path


def wasserstein(
    x: Array, given: Array, metric: Array, rounds: int, lam: float
) -> tuple[Array, Array]:
    """Return the loss, and log(u) / (lambda N), row by row."""
    kernel = np.exp(-lam * metric - 1)
    loss, logs = 0.0, np.zeros_like(x)
    for n in range(len(x)):
        u = v = np.ones(x.shape[1])
        for _ in range(rounds):
            v = given[n] / (kernel.T @ u)
            u = x[n] / (kernel @ v)
        plan = u[:, None] * kernel * v  # whose sums are x and given
        loss += (plan * metric).sum() + (plan * np.log(plan)).sum() / lam
        logs[n] = np.log(u) / lam / len(x)
    return np.array(loss / len(x)), logs


@pytest.mark.parametrize("shift", [True, False])
@pytest.mark.parametrize("rounds", [1, 40])
def test_distributions(tmp_path: Path, shift: bool, rounds: int) -> None:
    path = metric_file(tmp_path)
    x, given = RNG.dirichlet(np.ones(4), 3), RNG.dirichlet(np.ones(4), 3)
    with h5py.File(path) as file:
        metric = np.asarray(file["data"], np.float64)
    loss, diff = wasserstein(x, given, metric, rounds, 2.0)
    if shift:
        diff -= diff.mean(1, keepdims=True)
    options = (
        f"wasserstein_param {{ ground_metric: '{path}' lambda: 2 scaling_iter: {rounds} "
        f"shift_gradient: {str(shift).lower()} }}"
    )
    got = ran("WassersteinLoss", options, [x, given], top_diff=7)
    close(got.tops[0], loss)
    close(got.diffs[0], diff)  # whatever arrives from above


def test_labels_have_a_gradient_but_no_value(tmp_path: Path) -> None:
    options = f"wasserstein_param {{ ground_metric: '{metric_file(tmp_path)}' }}"
    x, labels = RNG.dirichlet(np.ones(4), 3), np.array([0, 3, 1])
    got, spread = (
        ran("WassersteinLoss", options, [x, given]) for given in (labels, np.eye(4)[labels])
    )
    assert np.isnan(got.tops[0])  # 0 times the logarithm of 0, as in the fork
    assert got.diffs[0] is not None
    assert np.isfinite(got.diffs[0]).all()
    close(got.diffs[0], spread.diffs[0] if spread.diffs[0] is not None else 0)


@pytest.mark.parametrize(
    ("options", "words"), [("", "ground_metric"), ("ground_metric: 'x' lambda: 0", "lambda")]
)
def test_refuses_options(options: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        layer("WassersteinLoss", f"wasserstein_param {{ {options} }}", bottoms=2)


def test_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    def module(path: Path) -> None:
        rule = layer("WassersteinLoss", f"wasserstein_param {{ ground_metric: '{path}' }}", 2)
        assert rule.top_shapes([(3, 4), (3, 1)]) == [()]
        rule.module([(3, 4), (3, 1)])

    with pytest.raises(CaffeError, match="nowhere"):
        module(tmp_path / "nowhere.h5")
    with pytest.raises(CaffeFormatError, match="no readable dataset"):
        module(metric_file(tmp_path, name="other"))
    with pytest.raises(ShapeError, match="for 4 classes"):
        module(metric_file(tmp_path, classes=5))
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(CaffeFormatError, match="no readable dataset"):
        module(tmp_path / "text.h5")


def test_refuses_labels_of_another_number_of_classes() -> None:
    rule = layer("WassersteinLoss", "wasserstein_param { ground_metric: 'x' }", bottoms=2)
    with pytest.raises(ShapeError, match="for 4 classes"):
        rule.top_shapes([(3, 4), (3, 5)])
