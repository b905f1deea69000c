"""The learning rate of an iteration: SGDSolver::GetLearningRate of sgd_solver.cpp.

Rates are equal to Caffe's bit for bit. C++ computes ``pow`` of a float and an int in double and
``pow`` of two floats in float; the latter, and ``exp``, are in double and rounded here, because
C's are nearer to that than numpy's of floats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.train.definition import SolverDef

_float = np.float32
_ONE = _float(1)


def learning_rate(definition: SolverDef, iteration: int, current_step: int) -> tuple[float, int]:
    """Return the rate that an iteration is done with, and how many steps are then behind.

    Parameters
    ----------
    definition : SolverDef
    iteration : int
        0-based.
    current_step : int
        Steps of the rate before this iteration: 0 at first, then what this returned, also
        from a solver's state. "multistep" goes on by one at most with each call, as in Caffe,
        so call it once for each iteration.

    Returns
    -------
    float
        Equal to a float32.
    int
        The new ``current_step``: of "step" and "multistep"; else the old one.

    Raises
    ------
    CaffeError
        Where it is no finite number: "poly" after max_iter, a growing rate that overflows.
    """
    if definition.lr_policy in _STEPS:
        current_step = _STEPS[definition.lr_policy](definition, iteration, current_step)
    with np.errstate(all="ignore"):
        factor = _FACTORS[definition.lr_policy](definition, iteration, current_step)
        rate = float(_float(_float(definition.base_lr) * factor))
    if not np.isfinite(rate):
        raise CaffeError(
            f"the learning rate of iteration {iteration} is {rate}: lr_policy "
            f"'{definition.lr_policy}' has no more to give there; stop before, or change its "
            "numbers (base_lr, gamma, power, max_iter)"
        )
    return rate, current_step


Step = Callable[[SolverDef, int, int], int]
Factor = Callable[[SolverDef, int, int], Any]


def _next_step(d: SolverDef, iteration: int, step: int) -> int:
    return step + (step < len(d.stepvalue) and iteration >= d.stepvalue[step])


def _power(base: float, exponent: float) -> Any:
    return np.power(np.float64(base), np.float64(exponent))


def _inverse(d: SolverDef, iteration: int, step: int) -> Any:
    return _float(_power(_ONE + _float(d.gamma) * _float(iteration), -d.power))


def _polynomial(d: SolverDef, iteration: int, step: int) -> Any:
    return _float(_power(_ONE - _float(iteration) / _float(d.max_iter), d.power))


def _sigmoid(d: SolverDef, iteration: int, step: int) -> Any:
    exponent = -_float(d.gamma) * (_float(iteration) - _float(d.stepsize))
    return _ONE / (_ONE + _float(np.exp(np.float64(exponent))))


_STEPS: dict[str, Step] = {
    "step": lambda d, iteration, step: iteration // d.stepsize,
    "multistep": _next_step,
}
"""The policies with steps, and how many of them are behind at an iteration."""

_FACTORS: dict[str, Factor] = {
    "fixed": lambda d, iteration, step: _ONE,
    "step": lambda d, iteration, step: _power(d.gamma, step),
    "exp": lambda d, iteration, step: _power(d.gamma, iteration),
    "inv": _inverse,
    "multistep": lambda d, iteration, step: _power(d.gamma, step),
    "poly": _polynomial,
    "sigmoid": _sigmoid,
}
"""What base_lr is multiplied with: a float32, or a float64 for a product in double."""
