"""Whole trainings: the losses and weights of real Caffe, iteration by iteration."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe.train.definition import SolverDef, read_solver
from bigdl_caffe.train.events import Event, Iterated, Snapshotted, Tested
from bigdl_caffe.train.opening import load_solver
from bigdl_caffe.train.solver import Solver
from bigdl_caffe.train.state import SolverState, read_state
from tests.train.golden import Case, cases

NO_ARRAYS = "memory_data"
"""Caffe was shown arrays there that were gone by then: its losses are nan from iteration 1 on."""

NOISE = {"conv1/1", "bn1/0"}
"""Blobs without a gradient: a bias that BatchNorm takes away again, and the mean that it is in.

Rounding alone moves them, by a whole step each where the solver divides by the gradient.
"""

CASES = [case for case in cases() if case.name != NO_ARRAYS]
RESUMED = [case for case in CASES if case.name.endswith("_resume")]


@pytest.fixture(autouse=True)
def in_the_cases_folder(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.folder)


@pytest.fixture
def definition(case: Case, tmp_path: Path) -> SolverDef:
    """Return the case's solver, whose snapshots go elsewhere."""
    return replace(read_solver(case.solver), snapshot_prefix=str(tmp_path / "snap"))


def check(solver: Solver, case: Case, kind: str) -> None:
    """Hold weights to Caffe's, within 1e-4 of the largest of each blob."""
    batch_norm = case.meta["net"].endswith("_bn")
    own = {f"{name}/{i}": b for name, bs in solver.net.params.items() for i, b in enumerate(bs)}
    for key, theirs in case.blobs(kind).items():
        if not (batch_norm and key in NOISE):
            error = np.abs(own[key].detach().numpy() - theirs).max()
            assert error <= 1e-4 * np.abs(theirs).max(), f"{kind}/{key}"


def losses(seen: list[Event]) -> np.ndarray[Any, Any]:
    return np.array([event.loss for event in seen if isinstance(event, Iterated)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_trajectory(case: Case, definition: SolverDef) -> None:
    seen: list[Event] = []
    trained = load_solver(definition, case.initial, observers=[seen.append])
    kinds = sorted(int(k[1:]) for k in {key.split("/")[0] for key in case.trace} if is_step(k))
    for iterations in kinds:
        trained.step(iterations - trained.iter)
        check(trained, case, f"w{iterations}")
    trained.step(case.meta["iters"] - trained.iter)
    check(trained, case, "final")
    passes = case.trace["loss"].reshape(-1, trained.definition.iter_size)
    np.testing.assert_allclose(losses(seen), passes.mean(1), rtol=1e-4)
    for event in seen:
        if isinstance(event, Snapshotted):
            theirs = read_state(case.folder / Path(event.state).name)
            check_states(read_state(event.state), theirs)


def check_states(ours: SolverState, theirs: SolverState) -> None:
    """Hold a state to Caffe's."""
    assert (ours.iter, ours.current_step) == (theirs.iter, theirs.current_step)
    for own, caffes in zip(ours.history, theirs.history, strict=True):
        assert own.shape == caffes.shape
        assert np.abs(own - caffes).max() <= 1e-4 * np.abs(caffes).max()


def is_step(kind: str) -> bool:
    return kind[0] == "w" and kind[1:].isdigit()


@pytest.mark.parametrize("case", RESUMED, ids=lambda case: case.name)
def test_going_on_from_caffes_own_state(case: Case, definition: SolverDef) -> None:
    seen: list[Event] = []
    trained = load_solver(definition, observers=[seen.append])
    trained.restore("snap_iter_10.solverstate")
    trained.step(10)
    check(trained, case, "final")
    np.testing.assert_allclose(losses(seen), case.trace["loss"][10:], rtol=1e-4)


@pytest.mark.parametrize("case", [Case("with_test")], ids=lambda case: case.name)
def test_test_nets_share_the_weights_and_go_on_in_their_data(case: Case) -> None:
    seen: list[Event] = []
    load_solver(case.solver, case.initial, observers=[seen.append]).step(case.meta["iters"])
    log = (case.folder / "solver_log.txt").read_text()
    theirs = re.findall(r"Test net output #\d: (\w+) = ([\d.e+-]+)", log)
    ours = [o for event in seen if isinstance(event, Tested) for o in event.outputs]
    assert [o.blob for o in ours] == [blob for blob, _ in theirs]
    numbers = [float(number) for _, number in theirs]
    np.testing.assert_allclose([o.values[0] for o in ours], numbers, rtol=1e-4)


@pytest.mark.parametrize("case", [Case("average_loss")], ids=lambda case: case.name)
def test_the_displayed_loss_is_a_mean(case: Case) -> None:
    seen: list[Event] = []
    load_solver(case.solver, case.initial, observers=[seen.append]).step(case.meta["iters"])
    log = (case.folder / "solver_log.txt").read_text()
    theirs = [float(n) for n in re.findall(r"Iteration \d+, loss = ([\d.e+-]+)", log)]
    ours = [event.smoothed for event in seen if isinstance(event, Iterated)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
