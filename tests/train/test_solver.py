"""The loop: what it does when, what it asks of its data, and how it goes on."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.graph.phase import State
from bigdl_caffe.train.definition import SolverDef, solver_def
from bigdl_caffe.train.events import Action, Ended, Event, Iterated, Snapshotted, Started, Tested
from bigdl_caffe.train.feeds import Pass
from bigdl_caffe.train.net_source import NetSource
from bigdl_caffe.train.nets import net_to_test, read_source, train_net
from bigdl_caffe.train.ranks import Ranks
from bigdl_caffe.train.solver import Solver
from bigdl_caffe.train.testing import Test

NET = """
name: "points"
layer { name: "x" type: "Input" top: "x" top: "label"
  input_param { shape { dim: 6 dim: 4 } shape { dim: 6 } } }
layer { name: "wide" type: "InnerProduct" bottom: "x" top: "wide"
  inner_product_param { num_output: 16 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "wide" top: "wide" }
layer { name: "drop" type: "Dropout" bottom: "wide" top: "wide" }
layer { name: "out" type: "InnerProduct" bottom: "wide" top: "out"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "out" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "out" bottom: "label" top: "loss" }
"""


class Points:
    """Random points of three classes: pass p is made of the seed p."""

    def __init__(self, spoilt: int = -1) -> None:
        self.spoilt = spoilt
        self.starts: list[int] = []
        self.dropped = 0

    per_epoch = 5

    def passes(self, start: int = 0) -> Iterator[Pass]:
        self.starts.append(start)
        number = start
        while True:
            rng = np.random.default_rng(number % 5)
            label = rng.integers(3, size=6).astype(np.float32)
            x = rng.standard_normal((6, 4)).astype(np.float32) + label[:, None]
            yield Pass({"x": x * (np.nan if number == self.spoilt else 1), "label": label}, 6)
            number += 1


class OnePass:
    def passes(self) -> Iterator[Pass]:
        yield from list_of(Points(), 2)


def list_of(points: Points, count: int) -> Sequence[Pass]:
    stream = points.passes()
    return [next(stream) for _ in range(count)]


def definition(folder: Path, **fields: object) -> SolverDef:
    given = {"base_lr": 0.1, "lr_policy": "fixed", "max_iter": 12, "random_seed": 7} | fields
    message = pb.SolverParameter(net_param=parse(NET, pb.NetParameter), **given)
    message.snapshot_prefix = str(folder / "points")
    return solver_def(message)


def solver(d: SolverDef, feeds: Points | None = None, seen: list[Event] | None = None) -> Solver:
    net = train_net(d.train_net, seed=d.random_seed)
    tests = []
    for source in d.test_nets:
        read = read_source(source)
        tests.append(Test(net_to_test(net, read, source.state(read)), OnePass()))
    observers = [] if seen is None else [seen.append]
    return Solver(d, net, feeds or Points(), tests, observers=observers)


def weights(net: Model) -> list[bytes]:
    return [blob.tobytes() for blob in net.get_weights()]


@pytest.mark.parametrize("kind", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"])
@pytest.mark.parametrize("ending", ["BINARYPROTO", "HDF5"])
def test_a_resumed_run_has_the_bits_of_an_unbroken_one(
    kind: str, ending: str, tmp_path: Path
) -> None:
    """Of Dropout's random numbers too, which no state holds."""
    momentum = 0.9 if kind not in ("AdaGrad", "RMSProp") else 0.0
    d = definition(
        tmp_path,
        type=kind,
        momentum=momentum,
        iter_size=2,
        snapshot=5,
        lr_policy="multistep",
        gamma=0.5,
        stepvalue=[3, 8],
        snapshot_format=pb.SolverParameter.SnapshotFormat.Value(ending),
    )
    unbroken = solver(d)
    unbroken.solve()
    points = Points()
    resumed = solver(d, points)
    end = ".h5" if ending == "HDF5" else ""
    resumed.restore(str(tmp_path / f"points_iter_5.solverstate{end}"))
    resumed.solve()
    assert points.starts == [10]
    assert weights(resumed.net) == weights(unbroken.net)
    ours, theirs = resumed.state().history, unbroken.state().history
    assert [h.tobytes() for h in ours] == [h.tobytes() for h in theirs]


def test_what_happens_when(tmp_path: Path) -> None:
    seen: list[Event] = []
    d = definition(tmp_path, max_iter=4, test_iter=[1], test_interval=2, snapshot=3, display=2)
    solver(d, seen=seen).solve()
    told = [(type(event).__name__, event.iteration) for event in seen]
    assert told == [
        ("Started", 0),
        ("Tested", 0),
        ("Iterated", 0),
        ("Iterated", 1),
        ("Tested", 2),
        ("Iterated", 2),
        ("Snapshotted", 3),
        ("Iterated", 3),
        ("Snapshotted", 4),
        ("Tested", 4),
        ("Ended", 4),
    ]
    shown = [event.displayed for event in seen if isinstance(event, Iterated)]
    assert shown == [True, False, True, False]
    (started,) = (event for event in seen if isinstance(event, Started))
    assert (started.net, started.passes, started.max_iter) == ("points", 5, 4)
    epochs = [event.epoch for event in seen if isinstance(event, Iterated)]
    np.testing.assert_allclose(epochs, [0.2, 0.4, 0.6, 0.8])
    tested = [event for event in seen if isinstance(event, Tested)]
    assert [output.blob for output in tested[0].outputs] == ["accuracy", "loss"]
    assert all(event.rows == 12 for event in tested)
    assert tested[-1].loss is not None
    assert tested[0].loss is not None
    assert tested[-1].loss < tested[0].loss


def test_the_end_tells_how_many_rows_were_left_out(tmp_path: Path) -> None:
    seen: list[Event] = []
    points = Points()
    points.dropped = 3
    solver(definition(tmp_path), points, seen).solve()
    assert isinstance(seen[-1], Ended)
    assert seen[-1].dropped == 3


def test_a_test_leaves_the_training_as_it_was(tmp_path: Path) -> None:
    tested = solver(definition(tmp_path, test_iter=[1], test_interval=1))
    plain = solver(definition(tmp_path))
    tested.step(5)
    plain.step(5)
    assert weights(tested.net) == weights(plain.net)


def test_rules_ask_for_tests_snapshots_and_the_end(tmp_path: Path) -> None:
    seen: list[Event] = []
    d = definition(tmp_path, test_iter=[1], test_interval=100, test_initialization=False)
    asked = {1: Action.TEST, 2: Action.SNAPSHOT, 3: Action.STOP}

    def rule(event: Event) -> Action:
        is_one = isinstance(event, Iterated)
        return asked.get(event.iteration, Action.NONE) if is_one else Action.NONE

    trained = solver(d, seen=seen)
    trained.rules.append(rule)
    trained.solve()
    assert [event.iteration for event in seen if isinstance(event, Tested)] == [2]
    assert [event.iteration for event in seen if isinstance(event, Snapshotted)] == [3, 4]
    ended = seen[-1]
    assert isinstance(ended, Ended)
    assert ended.iteration == 4
    assert ended.why


def test_several_ranks_refuse_rows_that_are_steps_of_time(tmp_path: Path) -> None:
    lstm = """
    layer { name: "x" type: "Input" top: "x" top: "cont" top: "goal" input_param {
      shape { dim: 4 dim: 2 dim: 3 } shape { dim: 4 dim: 2 } shape { dim: 4 dim: 2 dim: 5 } } }
    layer { name: "steps" type: "LSTM" bottom: "x" bottom: "cont" top: "h"
      recurrent_param { num_output: 5 weight_filler { type: "xavier" } } }
    layer { name: "loss" type: "EuclideanLoss" bottom: "h" bottom: "goal" top: "loss" }"""
    source = NetSource("net_param", "", parse(lstm, pb.NetParameter), "TRAIN")
    d = replace(definition(tmp_path), train_net=source)
    ranks = Ranks()
    Solver(d, train_net(d.train_net), Points(), ranks=ranks)
    ranks.size = 2
    with pytest.raises(CaffeError, match=r"'steps'.*the first axis is time"):
        Solver(d, train_net(d.train_net), Points(), ranks=ranks)


def test_a_test_net_that_judges_nothing_is_refused_before_training(tmp_path: Path) -> None:
    net = train_net(definition(tmp_path).train_net)
    plain = parse(
        NET.replace("include { phase: TEST }", "exclude { phase: TEST }"), pb.NetParameter
    )
    plain.layer[-1].include.add(phase=pb.TRAIN)
    with pytest.raises(CaffeError, match="neither losses nor metrics in phase TEST"):
        Test(net_to_test(net, plain, State("TEST")), OnePass())


def test_frozen_layers_stay(tmp_path: Path) -> None:
    d = definition(tmp_path, weight_decay=0.1, momentum=0.9)
    net = train_net(d.train_net, seed=1).freeze("wide")
    before = [blob.detach().numpy().copy() for blob in net.params["wide"]]
    moved = net.params["out"][0].detach().numpy().copy()
    Solver(d, net, Points()).step(3)
    for blob, old in zip(net.params["wide"], before, strict=True):
        np.testing.assert_array_equal(blob.detach().numpy(), old)
    assert np.abs(net.params["out"][0].detach().numpy() - moved).max() > 0


def test_after_an_interruption_it_goes_on_with_the_pass_that_was_not_done(tmp_path: Path) -> None:
    class Interrupted(Points):
        def passes(self, start: int = 0) -> Iterator[Pass]:
            for number, each in enumerate(super().passes(start), start):
                if number == 3 and len(self.starts) == 1:
                    raise KeyboardInterrupt
                yield each

    d, points = definition(tmp_path), Interrupted()
    trained, unbroken = solver(d, points), solver(d)
    with pytest.raises(KeyboardInterrupt):
        trained.step(5)
    trained.step(5 - trained.iter)
    unbroken.step(5)
    assert points.starts == [0, 3]
    assert weights(trained.net) == weights(unbroken.net)


def test_the_net_can_be_pickled_when_it_has_learned(tmp_path: Path) -> None:
    trained = solver(definition(tmp_path, test_iter=[1], test_interval=1))
    trained.step(2)
    for net in (trained.net, *trained.test_nets):
        copied = pickle.loads(pickle.dumps(net.to_torch()))
        before = [len(module._forward_hooks) for module in copied.modules()]
        trained.step(2)
        after = [len(module._forward_hooks) for module in net.to_torch().modules()]
        assert after == before
