"""Learning rates: equal to those that real Caffe trained with, bit for bit."""

from __future__ import annotations

import pytest

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.train.definition import SolverDef, read_solver, solver_def
from bigdl_caffe.train.rate import learning_rate
from tests.train.golden import Case, cases


def solver(**fields: object) -> SolverDef:
    return solver_def(pb.SolverParameter(net="net.prototxt", **({"base_lr": 1} | fields)))


def rates(definition: SolverDef, iterations: int, step: int = 0) -> list[float]:
    found = []
    for iteration in range(iterations):
        rate, step = learning_rate(definition, iteration, step)
        found.append(rate)
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_rates_are_caffes(case: Case) -> None:
    expected = case.trace["lr"].tolist()
    assert rates(read_solver(case.solver), len(expected)) == expected


def test_multistep_goes_on_by_one_step_a_call() -> None:
    definition = solver(lr_policy="multistep", gamma=0.5, stepvalue=[2, 3, 3, 6])
    assert rates(definition, 8) == [1, 1, 0.5, 0.25, 0.125, 0.125, 0.0625, 0.0625]
    assert learning_rate(definition, 100, 0) == (0.5, 1)


def test_exp() -> None:
    definition = solver(lr_policy="exp", gamma=0.5)
    assert rates(definition, 4) == [1, 0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    "fields",
    [{"lr_policy": "poly", "power": 0.5, "max_iter": 9}, {"lr_policy": "exp", "gamma": 1e30}],
)
def test_what_is_no_number_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(CaffeError, match=r"the learning rate of iteration 10 is (nan|inf)"):
        learning_rate(solver(**fields), 10, 0)
