"""BigDL's triggers on events, and its methods as Caffe's solvers."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.optimizer import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    EveryEpoch,
    Exponential,
    MaxEpoch,
    MaxIteration,
    MaxScore,
    MinLoss,
    MultiStep,
    Poly,
    RMSprop,
    SeveralIteration,
    Step,
    TriggerAnd,
    TriggerOr,
)
from bigdl_caffe.optimizer.methods import OptimMethod
from bigdl_caffe.optimizer.plan import Plan
from bigdl_caffe.optimizer.triggers import Asks, Progress, Trigger
from bigdl_caffe.train.definition import SolverDef
from bigdl_caffe.train.events import Action, Iterated, Started
from bigdl_caffe.train.rate import learning_rate
from tests.train.events import scored

END = TriggerOr(TriggerAnd(MaxIteration(5), MinLoss(0.5)), MaxEpoch(2), MaxScore(0.9))


@pytest.mark.parametrize(
    ("trigger", "now", "holds"),
    [
        (MaxIteration(3), Progress(iteration=2), False),
        (MaxIteration(3), Progress(iteration=3), True),
        (MaxEpoch(2), Progress(epoch=1.9), False),
        (MaxEpoch(2), Progress(epoch=2.0), True),
        (EveryEpoch(), Progress(), False),
        (EveryEpoch(), Progress(epoch=0.5), False),
        (EveryEpoch(), Progress(epoch=3.0), True),
        (SeveralIteration(4), Progress(), False),
        (SeveralIteration(4), Progress(iteration=8), True),
        (MinLoss(0.5), Progress(loss=0.5), False),
        (MinLoss(0.5), Progress(loss=0.4), True),
        (MaxScore(0.5), Progress(), False),
        (MaxScore(0.5), Progress(score=0.6), True),
        (END, Progress(iteration=5, loss=0.6), False),
        (END, Progress(iteration=5, loss=0.4), True),
        (END, Progress(score=1.0), True),
    ],
)
def test_triggers(trigger: Trigger, now: Progress, holds: bool) -> None:
    assert trigger(now) is holds


def test_the_last_iteration_is_known_if_it_can_be() -> None:
    ends = [MaxIteration(5), MaxEpoch(2), MinLoss(1), END, TriggerAnd(MaxIteration(5), MaxEpoch(2))]
    assert [end.iterations(7) for end in ends] == [5, 14, None, 14, 14]


def test_rules_ask_behind_iterations() -> None:
    def iterated(number: int) -> Iterated:
        return Iterated(number, 1.0, 1.0, 0.1, (), 8, (number + 1) / 4, 0.1, False)

    stop = Asks(Action.STOP, MaxScore(0.5), "accuracy")
    save = pickle.loads(pickle.dumps(Asks(Action.SNAPSHOT, EveryEpoch())))
    asked = [
        (stop(event), save(event))
        for event in (Started("", "SGD", 0, 9), iterated(3), scored(4, 0.6), iterated(4))
    ]
    assert asked == [
        (Action.NONE, Action.NONE),
        (Action.NONE, Action.SNAPSHOT),
        (Action.STOP, Action.NONE),
        (Action.STOP, Action.NONE),
    ]


def solver(method: OptimMethod) -> SolverDef:
    plan: Any = Plan(None, "SoftmaxWithLoss", method, MaxEpoch(2), 8)  # type: ignore[arg-type]  # no model is needed
    made: SolverDef = plan.solver(10)
    return made


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (None, [1 / (1 + 0.1 * i) for i in range(20)]),
        (Poly(2, 25), [(1 - i / 25) ** 2 for i in range(20)]),
        (Step(4, 0.5), [0.5 ** (i // 4) for i in range(20)]),
        (MultiStep([3, 5], 0.5), [0.5 ** ((i >= 3) + (i >= 5)) for i in range(20)]),
        (Exponential(5, 0.1), [0.1 ** (i / 5) for i in range(20)]),
        (Exponential(5, 0.1, stair_case=True), [0.1 ** (i // 5) for i in range(20)]),
    ],
)
def test_learning_rates_are_those_of_bigdl(schedule: Any, rates: list[float]) -> None:
    decay = 0.0 if schedule else 0.1
    definition = solver(SGD(1.0, decay, leaningrate_schedule=schedule))
    step, found = 0, []
    for iteration in range(20):
        rate, step = learning_rate(definition, iteration, step)
        found.append(rate)
    assert found == pytest.approx(rates, rel=1e-4)
    assert definition.max_iter == (25 if isinstance(schedule, Poly) else 20)


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        (SGD(0.1, momentum=0.75), {"type": "SGD", "base_lr": 0.025, "momentum": 0.75}),
        (SGD(0.1, momentum=0.75, dampening=0), {"base_lr": 0.1}),
        (SGD(0.1, momentum=0.5, nesterov=True), {"type": "Nesterov", "base_lr": 0.1}),
        (SGD(weightdecay=0.5), {"weight_decay": 0.5, "regularization_type": "L2"}),
        (Adam(beta2=0.5), {"type": "Adam", "momentum": 0.9, "momentum2": 0.5, "delta": 1e-8}),
        (Adagrad(), {"type": "AdaGrad", "delta": 1e-10, "momentum": 0.0}),
        (RMSprop(), {"type": "RMSProp", "rms_decay": 0.99, "base_lr": 0.01}),
        (Adadelta(), {"type": "AdaDelta", "momentum": 0.9, "base_lr": 1.0}),
    ],
)
def test_methods_are_caffes_solvers(method: OptimMethod, fields: dict[str, Any]) -> None:
    definition = solver(method)
    for name, value in fields.items():
        found = getattr(definition, name)
        assert found == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6)), name
    assert definition.message.net_param == pb.NetParameter()
