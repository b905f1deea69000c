"""A training on several ranks: the numbers of one process with the same rows in each pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.train.definition import solver_def
from bigdl_caffe.train.events import Action, Event, Iterated, Rule
from bigdl_caffe.train.feeds import Pass
from bigdl_caffe.train.nets import train_net
from bigdl_caffe.train.order import Order
from bigdl_caffe.train.ranks import Ranks
from bigdl_caffe.train.solver import Solver
from tests.train.test_group import run

ROWS, BATCH = 25, 6
IGNORED = 255

NET = """
name: "two losses"
layer { name: "x" type: "Input" top: "x" top: "label" top: "goal"
  input_param { shape { dim: 6 dim: 2 dim: 5 dim: 5 } shape { dim: 6 } shape { dim: 6 dim: 3 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv"
  batch_norm_param { moving_average_fraction: 0.9 } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "out" type: "InnerProduct" bottom: "conv" top: "out"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "away" type: "EuclideanLoss" bottom: "out" bottom: "goal" top: "away"
  loss_weight: 0.5 }
layer { name: "right" type: "Accuracy" bottom: "out" bottom: "label" top: "right"
  accuracy_param { ignore_label: 255 } }
layer { name: "small" type: "Power" bottom: "out" top: "small" loss_weight: 0.01
  power_param { power: 2 } }
layer { name: "squares" type: "Reduction" bottom: "out" top: "squares" loss_weight: 0.01
  reduction_param { operation: SUMSQ } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "out" bottom: "label" top: "loss" top: "prob"
  loss_weight: 1 loss_weight: 0 loss_param { ignore_label: 255 } }
"""


@dataclass(frozen=True)
class Points:
    """Random rows, some without a label: so ranks have unequal parts of a loss."""

    order: Order

    @property
    def per_epoch(self) -> int:
        return self.order.per_epoch

    def passes(self, start: int = 0) -> Iterator[Pass]:
        rng = np.random.default_rng(3)
        x = rng.standard_normal((ROWS, 2, 5, 5)).astype(np.float32)
        label = rng.integers(3, size=ROWS).astype(np.float32)
        label[rng.random(ROWS) < 0.4] = IGNORED
        goal = rng.standard_normal((ROWS, 3)).astype(np.float32)
        for _, own in self.order.passes(start):
            these = own if len(own) else self.order.own()[:1]
            yield Pass({"x": x[these], "label": label[these], "goal": goal[these]}, len(own))


def noting(seen: list[Event]) -> Rule:
    """Return a rule, which every rank has, that asks for nothing and keeps the events."""

    def note(event: Event) -> Action:
        seen.append(event)
        return Action.NONE

    return note


def train(ranks: Ranks) -> dict[str, Any]:
    """Return what a rank has after three epochs."""
    message = pb.SolverParameter(
        net_param=parse(NET, pb.NetParameter),
        base_lr=0.05,
        lr_policy="fixed",
        momentum=0.9,
        iter_size=2,
        random_seed=1,
        clip_gradients=1,
    )
    definition = solver_def(message)
    net = train_net(definition.train_net, seed=1)
    seen: list[Event] = []
    feeds = Points(Order(BATCH, ROWS, ranks.rank, ranks.size, seed=2))
    solver = Solver(definition, net, feeds, ranks=ranks, rules=[noting(seen)], synchronised=True)
    solver.step(8)
    iterated = [event for event in seen if isinstance(event, Iterated)]
    return {
        "loss": [event.loss for event in iterated],
        "rows": [event.rows for event in iterated],
        "outputs": [[v for o in event.outputs for v in o.values] for event in iterated],
        "weights": [blob.ravel().tolist() for blob in net.get_weights()],
    }


@pytest.mark.parametrize("size", [3])
def test_ranks_train_as_one_process_does(size: int) -> None:
    alone = train(Ranks())
    assert sum(alone["rows"][:5]) == 2 * ROWS
    assert [len(values) for values in alone["outputs"]] == [5] * 8  # no probabilities
    for one in run(size, train):
        assert one["rows"] == alone["rows"]
        np.testing.assert_allclose(one["loss"], alone["loss"], rtol=1e-5)
        np.testing.assert_allclose(one["outputs"], alone["outputs"], rtol=1e-5)
        for own, whole in zip(one["weights"], alone["weights"], strict=True):
            np.testing.assert_allclose(own, whole, rtol=1e-4, atol=1e-6)
