"""What the numbers and words of a solver have to be: Caffe's CHECKs, and what its sums need."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import NamedTuple

from bigdl_caffe.format._pb import caffe_pb2 as pb

TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
POLICIES = ("fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid")

FORK_FIELDS = (
    "disabled_update",
    "larc",
    "local_lr_auto",
    "min_lr",
    "momentum_policy",
    "plateau_winsize",
    "rampup_interval",
    "solver_data_type",
    "stageiter",
    "stagelr",
    "test_and_snapshot_last_epochs",
    "test_offset",
    "warmup_iter",
    "weight_decay_policy",
)
"""Fields of forks that change what is computed, or when it is tested and saved.

Those left out have no effect on that: they say more about one of these (rampup_lr, larc_eta),
how test results are shown (eval_type, ap_version, show_per_class_result), and what computes
(engine) and stores (store_blobs_in_old_format) it.
"""

_FINITE = ("base_lr", "gamma", "power", "momentum", "weight_decay")
_NOT_NEGATIVE = ("max_iter", "display", "snapshot", "test_interval", "delta")
_AT_LEAST_ONE = ("iter_size", "average_loss")

Solver = pb.SolverParameter


class Rule(NamedTuple):
    """What has to hold for some solvers, and what to say of ``s`` where it does not."""

    concerns: Callable[[Solver], bool]
    holds: Callable[[Solver], bool]
    text: str


def _always(s: Solver) -> bool:
    return True


def _types(*types: str) -> Callable[[Solver], bool]:
    return lambda s: s.type in types


def _policies(*policies: str) -> Callable[[Solver], bool]:
    return lambda s: s.lr_policy in policies


RULES = (
    Rule(_always, lambda s: s.HasField("base_lr"), "base_lr is missing: give the learning rate"),
    Rule(
        _policies("step", "exp", "inv", "multistep", "sigmoid"),
        lambda s: s.gamma >= 0,
        "gamma is {s.gamma:g}: lr_policy '{s.lr_policy}' takes 0 or more",
    ),
    Rule(
        _policies("step", "sigmoid"),
        lambda s: s.stepsize > 0,
        "stepsize is {s.stepsize}: lr_policy '{s.lr_policy}' takes 1 or more",
    ),
    Rule(
        _policies("poly"),
        lambda s: s.max_iter > 0,
        "max_iter is missing: lr_policy 'poly' goes down to 0 there",
    ),
    Rule(
        _types("AdaGrad", "RMSProp"),
        lambda s: s.momentum == 0,
        "momentum is {s.momentum:g}: {s.type} has none; leave it out",
    ),
    Rule(
        _types("RMSProp"),
        lambda s: 0 <= s.rms_decay < 1,
        "rms_decay is {s.rms_decay:g}: give 0 or more, and less than 1",
    ),
    Rule(
        _types("AdaDelta"),
        lambda s: 0 <= s.momentum <= 1,
        "momentum is {s.momentum:g}: of AdaDelta it is the share that its means keep; "
        "give 0 to 1, as 0.95",
    ),
    Rule(
        _types("Adam"),
        lambda s: 0 <= s.momentum < 1 and 0 <= s.momentum2 < 1,
        "momentum is {s.momentum:g} and momentum2 {s.momentum2:g}: Adam divides by what they "
        "lack to 1; give 0 or more, and less than 1, as 0.9 and 0.999",
    ),
    Rule(
        lambda s: s.weight_decay != 0,
        lambda s: s.regularization_type in ("L1", "L2"),
        "regularization_type is '{s.regularization_type}': give 'L1' or 'L2'",
    ),
    Rule(
        _always,
        lambda s: not math.isnan(s.clip_gradients),
        "clip_gradients is no number: give the largest norm, or leave it out",
    ),
    Rule(
        _always,
        lambda s: all(passes >= 0 for passes in s.test_iter),
        "test_iter is {s.test_iter}: give 0 or more passes for each test net",
    ),
)


def value_problems(solver: Solver) -> Iterator[str]:
    """Yield what is wrong with the values of ``solver``, whose type is upgraded already.

    As solver.cpp and sgd_solver.cpp check them when they begin or at the first update, and
    the constructors of sgd_solvers.hpp; and what Caffe takes and computes nonsense from.
    """
    yield from _of_names("type", solver.type, TYPES)
    yield from _of_names("lr_policy", solver.lr_policy, POLICIES)
    yield from (rule.text.format(s=solver) for rule in RULES if _broken(rule, solver))
    yield from _out_of_range(solver)
    changed = [name for name in FORK_FIELDS if getattr(solver, name) != getattr(Solver(), name)]
    if changed:
        yield f"{', '.join(changed)}: a fork computes this, and Caffe does not: leave it out"


def _broken(rule: Rule, solver: Solver) -> bool:
    return rule.concerns(solver) and not rule.holds(solver)


def _of_names(field: str, name: str, known: tuple[str, ...]) -> Iterator[str]:
    if name in known:
        return
    near = get_close_matches(name.lower(), [each.lower() for each in known], n=1)
    hint = "".join(f"; did you mean {each}?" for each in known if each.lower() in near)
    yield f"{field} is '{name}': give one of {', '.join(known)}{hint}"


def _out_of_range(solver: Solver) -> Iterator[str]:
    for name in _FINITE:
        if not math.isfinite(getattr(solver, name)):
            yield f"{name} is {getattr(solver, name)}: give a finite number"
    for least, names in ((0, _NOT_NEGATIVE), (1, _AT_LEAST_ONE)):
        for name in names:
            if not getattr(solver, name) >= least:  # false of NaN, too
                yield f"{name} is {getattr(solver, name):g}: give {least} or more"
