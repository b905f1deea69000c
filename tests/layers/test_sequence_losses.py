"""Sequence losses of forks, against the forward-backward algorithm written as loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.errors import CaffeError, ShapeError, UnsupportedLayerError
from tests.layers.build import layer
from tests.layers.transcribed import Array, close, ran
from tests.nets import net

RNG = np.random.default_rng(11)


def ctc(scores: Array, labels: list[int], blank: int, merge: bool = True) -> tuple[float, Array]:
    """Return cost and gradient of one sequence (T, classes), by alphas and betas."""
    y = np.exp(scores - scores.max(1, keepdims=True))
    y /= y.sum(1, keepdims=True)
    path = [blank] + [p for label in labels for p in (label, blank)]
    steps, states = len(y), len(path)

    def ways(u: int) -> list[int]:
        """Return the states from which ``u`` is reached."""
        found = [u] if merge or path[u] == blank else []
        found += [u - 1] if u else []
        skips = u > 1 and path[u] != blank and not (merge and path[u] == path[u - 2])
        return found + ([u - 2] if skips else [])

    alpha, beta = np.zeros((steps, states)), np.zeros((steps, states))
    alpha[0, :2] = [y[0, p] for p in path[:2]]
    beta[-1, -2:] = 1
    for t in range(1, steps):
        for u in range(states):
            alpha[t, u] = sum(alpha[t - 1, v] for v in ways(u)) * y[t, path[u]]
    for t in range(steps - 2, -1, -1):
        for u in range(states):
            for v in ways(u):
                beta[t, v] += beta[t + 1, u] * y[t + 1, path[u]]
    total = (alpha[0] * beta[0]).sum()
    if total == 0:
        return np.inf, y
    diff = y.copy()
    for t in range(steps):
        for u in range(states):
            diff[t, path[u]] -= alpha[t, u] * beta[t, u] / total
    return -np.log(total), diff


@pytest.mark.parametrize("blank", [0, 2, 4])
@pytest.mark.parametrize("steps", [6, 8])
def test_ctc_loss_of_warp_ctc(blank: int, steps: int) -> None:
    x = RNG.normal(size=(8, 4, 5))
    labels = np.full((4, 4), blank)
    others = [c for c in range(5) if c != blank]
    labels[0, :3] = others[0], others[1], others[1]
    labels[1, [0, 3]] = others[2], others[3]  # blanks between
    labels[3, :] = others[3]  # seven steps at least
    cost, diff = 0.0, np.zeros_like(x)
    for n in range(4):
        real = [c for c in labels[n] if c != blank]
        if n == 3 and steps < 7:
            continue  # warp-ctc gives such sequences a cost of 0
        one, diff[:steps, n] = ctc(x[:steps, n], real, blank)
        cost += one
    options = f"ctc_loss_param {{ blank_label: {blank} alphabet_size: 5 time_step: {steps} }}"
    got = ran("CtcLoss", options, [x, labels], top_diff=3)
    close(got.tops[0], cost / 4)
    close(got.diffs[0], 3 * diff)


WARP = "ctc_loss_param { alphabet_size: 5 time_step: 8 }"


@pytest.mark.parametrize(
    ("labels", "words"), [(np.zeros((2, 3)), "all labels are blank"), (np.full((2, 3), 5), "5")]
)
def test_ctc_loss_refuses_labels_that_caffe_does(labels: Array, words: str) -> None:
    with pytest.raises(CaffeError, match=words):
        ran("CtcLoss", WARP, [RNG.normal(size=(8, 2, 5)), labels])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "alphabet_size and time_step"),
        ("ctc_loss_param { alphabet_size: 5 time_step: 2 blank_label: 5 }", "blank_label 5"),
        ("ctc_loss_param { alphabet_size: 5 time_step: 2 blank_index: 5 }", "blank_index"),
    ],
)
def test_ctc_loss_refuses_options(options: str, words: str) -> None:
    with pytest.raises((ShapeError, UnsupportedLayerError), match=words):
        layer("CtcLoss", options, bottoms=2)


@pytest.mark.parametrize("x", [(7, 2, 5), (8, 2, 4), (8, 3, 5)])
def test_ctc_loss_refuses_shapes(x: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="at least 8 time steps"):
        layer("CtcLoss", WARP, bottoms=2).top_shapes([x, (2, 3)])


def targets(*rows: list[int], steps: int = 7) -> Array:
    """Return (T, N) with -1 behind each row."""
    return np.array([row + [-1] * (steps - len(row)) for row in rows], float).T


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("collapse", [True, False])
@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.parametrize("blank", [-1, 1])
def test_ctc_loss_of_the_pull_request(merge: bool, collapse: bool, delay: int, blank: int) -> None:
    x = RNG.normal(size=(7, 4, 5))
    null = blank if blank >= 0 else 4  # which ends a target, as a number beyond the classes does
    target = targets([0, 2, 2], [3], [2, 2, 0, null], [0, 0, 0, 0, 5])
    indicator = np.ones((7, 4))
    indicator[0] = 0
    indicator[6, 1] = 0  # the second sequence has 6 steps
    lengths, cost, diff = [7, 6, 7, 7], 0.0, np.zeros_like(x)
    for n, rows in enumerate(([0, 2, 2], [3], [2, 2, 0], [0, 0, 0, 0])):
        real = [c for i, c in enumerate(rows) if not (collapse and i and c == rows[i - 1])]
        part = slice(delay, lengths[n])
        one, diff[part, n] = ctc(x[part, n], real, null, merge)
        cost += one
    options = (
        f"ctc_loss_param {{ output_delay: {delay} blank_index: {blank} ctc_merge_repeated: "
        f"{str(merge).lower()} preprocess_collapse_repeated: {str(collapse).lower()} }}"
    )
    got = ran("CTCLoss", options, [x, indicator, target], top_diff=3)
    close(got.tops[0], cost / 4)
    close(got.diffs[0], diff)  # whatever arrives from above


def test_the_last_class_is_a_label_where_another_one_is_the_blank() -> None:
    x, indicator = RNG.normal(size=(7, 1, 5)), np.ones((7, 1))
    got = ran("CTCLoss", "ctc_loss_param { blank_index: 0 }", [x, indicator, targets([4, 1])])
    cost, diff = ctc(x[:, 0], [4, 1], 0)
    close(got.tops[0], cost)
    close(got.diffs[0][:, 0], diff)


def test_one_step_without_labels_costs_nothing() -> None:
    x, indicator = RNG.normal(size=(7, 2, 5)), np.ones((7, 2))
    indicator[1, 0] = 0
    got = ran("CTCLoss", "", [x, indicator, targets([], [1, 2])])
    cost, diff = ctc(x[:, 1], [1, 2], 4)
    close(got.tops[0], cost / 2)
    close(got.diffs[0][:, 0], np.zeros((7, 5)))
    close(got.diffs[0][:, 1], diff)


def test_a_target_without_any_path_costs_infinity() -> None:
    x, indicator = RNG.normal(size=(7, 2, 5)), np.ones((7, 2))
    indicator[2, 0] = 0
    got = ran("CTCLoss", "", [x, indicator, targets([1, 1], [1, 1])])
    cost, diff = ctc(x[:2, 0], [1, 1], 4)
    assert got.tops[0] == cost == np.inf
    assert got.diffs[0] is not None
    close(got.diffs[0][:2, 0], diff)
    close(got.diffs[0][2:, 0], np.zeros((5, 5)))
    close(got.diffs[0][:, 1], ctc(x[:, 1], [1, 1], 4)[1])


@pytest.mark.parametrize(
    ("row", "words"),
    [([], "a label at least"), ([0] * 7, "no more"), ([0, 4, 1], "follows the blank")],
)
def test_ctc_loss_of_the_pull_request_refuses_targets(row: list[int], words: str) -> None:
    indicator = np.ones((7, 1))
    indicator[6] = 0
    with pytest.raises(CaffeError, match=words):
        ran("CTCLoss", "", [RNG.normal(size=(7, 1, 5)), indicator, targets(row)])


def test_ctc_loss_of_the_pull_request_refuses_shapes() -> None:
    rule = layer("CTCLoss", "ctc_loss_param { blank_index: 5 }", bottoms=3)
    with pytest.raises(ShapeError, match="none of 5 classes"):
        rule.top_shapes([(7, 2, 5), (7, 2), (7, 2)])
    with pytest.raises(ShapeError, match="indicators and targets"):
        rule.top_shapes([(7, 2, 9), (7, 2), (7, 3)])


def test_labelsequence_accuracy() -> None:
    spoken = [[0, 1, 1, 0, 2], [1, 0, 1, 2, 2], [2, 2, 2, 2, 2], [0, 0, 0, 0, 0], [1, 2, 0, 1, 2]]
    labels = [[1, 2, 0], [1, 0, 1], [2, 0, 0], [0, 0, 0], [1, 2, 1]]
    right = [True, False, True, True, False]
    x = np.eye(3)[np.array(spoken)] + RNG.random((5, 5, 3)) / 2
    got = ran("LabelsequenceAccuracy", "", [x, np.array(labels)])
    close(got.tops[0], sum(right) / 5)
    wide = np.zeros((5, 9))
    wide[:, 6:] = labels
    close(ran("LabelsequenceAccuracy", "", [x, wide]).tops[0], sum(right) / 5)


READER = """
input: "x" input_shape { dim: 8 dim: 2 dim: 5 }
input: "label" input_shape { dim: 2 dim: 3 }
layer { name: "loss" type: "CtcLoss" bottom: "x" bottom: "label" top: "loss"
  ctc_loss_param { alphabet_size: 5 time_step: 8 } }
layer { name: "p" type: "Permute" bottom: "x" top: "p"
  permute_param { order: 1 order: 0 order: 2 } }
layer { name: "right" type: "LabelsequenceAccuracy" bottom: "p" bottom: "label" top: "right" }
"""


def test_a_net_that_reads_scores_and_trains(tmp_path: Path) -> None:
    assert net(tmp_path, READER).outputs == ("p",)
    model = net(tmp_path, READER, phase="TRAIN")
    label = np.array([[1, 2, 0], [3, 0, 0]], np.float32)
    tops = model.run({"x": np.zeros((8, 2, 5), np.float32), "label": label})
    assert tops["loss"] > 0
    assert tops["right"] == 0
