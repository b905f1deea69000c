"""BigDL's optimisation methods and learning rate schedules, as fields of Caffe's solvers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bigdl_caffe.errors import CaffeError

Fields = dict[str, Any]
"""Fields of SolverParameter."""


class Schedule(Protocol):
    """How the learning rate changes."""

    def fields(self) -> Fields:
        """Return the solver's lr_policy and what belongs to it."""


class OptimMethod(Protocol):
    """How weights are updated."""

    def fields(self) -> Fields:
        """Return the solver's type and what belongs to it."""


@dataclass(frozen=True)
class Default:
    """The method's own ``learningrate_decay``."""

    def fields(self) -> Fields:
        """Return "fixed"."""
        return {"lr_policy": "fixed"}


@dataclass(frozen=True)
class Poly:
    """rate · (1 - iteration / max_iteration) ^ power. Training ends with ``max_iteration``."""

    power: float
    max_iteration: int

    def fields(self) -> Fields:
        """Return "poly"."""
        return {"lr_policy": "poly", "power": self.power, "max_iter": self.max_iteration}


@dataclass(frozen=True)
class Step:
    """rate · gamma ^ floor(iteration / step_size)."""

    step_size: int
    gamma: float

    def fields(self) -> Fields:
        """Return "step"."""
        return {"lr_policy": "step", "gamma": self.gamma, "stepsize": self.step_size}


@dataclass(frozen=True)
class MultiStep:
    """rate · gamma ^ (how many of ``step_sizes`` are past)."""

    step_sizes: Sequence[int]
    gamma: float

    def fields(self) -> Fields:
        """Return "multistep"."""
        return {"lr_policy": "multistep", "gamma": self.gamma, "stepvalue": self.step_sizes}


@dataclass(frozen=True)
class Exponential:
    """rate · decay_rate ^ (iteration / decay_step), rounded down with ``stair_case``."""

    decay_step: int
    decay_rate: float
    stair_case: bool = False

    def fields(self) -> Fields:
        """Return "exp", or "step" for a stair case."""
        if self.stair_case:
            return Step(self.decay_step, self.decay_rate).fields()
        return {"lr_policy": "exp", "gamma": self.decay_rate ** (1 / self.decay_step)}


def _decaying(decay: float) -> Fields:
    """Return BigDL's rate / (1 + iteration · decay)."""
    return {"lr_policy": "inv", "gamma": decay, "power": 1.0} if decay else Default().fields()


@dataclass(frozen=True)
class SGD:
    """Momentum, Nesterov's too.

    BigDL multiplies gradients by 1 - dampening before they join the momentum, and dampening
    is the momentum unless given; here the learning rate is multiplied by it. What differs:
    BigDL does not dampen the first gradient, and when the rate changes, it changes there for
    what the momentum holds as well.

    Parameters
    ----------
    learningrate, learningrate_decay, weightdecay, momentum : float
    dampening : float, optional
        By default the momentum, and 0 for Nesterov's.
    nesterov : bool
    leaningrate_schedule : Schedule, optional
        BigDL's spelling.

    Raises
    ------
    CaffeError
        For Nesterov's without a momentum, or with dampening.
    """

    learningrate: float = 1e-3
    learningrate_decay: float = 0.0
    weightdecay: float = 0.0
    momentum: float = 0.0
    dampening: float | None = None
    nesterov: bool = False
    leaningrate_schedule: Schedule | None = None

    def __post_init__(self) -> None:
        if self.nesterov and (self.momentum <= 0 or self.dampening):
            raise CaffeError("nesterov needs a momentum, and no dampening")

    def fields(self) -> Fields:
        """Return "SGD" or "Nesterov"."""
        dampening = self.momentum if self.dampening is None else self.dampening
        schedule = self.leaningrate_schedule
        return {
            "type": "Nesterov" if self.nesterov else "SGD",
            "base_lr": self.learningrate * (1 if self.nesterov else 1 - dampening),
            "momentum": self.momentum,
            "weight_decay": self.weightdecay,
            **(schedule.fields() if schedule else _decaying(self.learningrate_decay)),
        }


@dataclass(frozen=True)
class Adam:
    """Adam; epsilon is added at the same place as in BigDL and Caffe."""

    learningrate: float = 1e-3
    learningrate_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def fields(self) -> Fields:
        """Return "Adam"."""
        return {
            "type": "Adam",
            "base_lr": self.learningrate,
            "momentum": self.beta1,
            "momentum2": self.beta2,
            "delta": self.epsilon,
            **_decaying(self.learningrate_decay),
        }


@dataclass(frozen=True)
class Adagrad:
    """AdaGrad."""

    learningrate: float = 1e-3
    learningrate_decay: float = 0.0
    weightdecay: float = 0.0

    def fields(self) -> Fields:
        """Return "AdaGrad", with the delta that BigDL has."""
        return {
            "type": "AdaGrad",
            "base_lr": self.learningrate,
            "weight_decay": self.weightdecay,
            "delta": 1e-10,
            **_decaying(self.learningrate_decay),
        }


@dataclass(frozen=True)
class RMSprop:
    """RMSprop."""

    learningrate: float = 1e-2
    learningrate_decay: float = 0.0
    decayrate: float = 0.99
    epsilon: float = 1e-8

    def fields(self) -> Fields:
        """Return "RMSProp"."""
        return {
            "type": "RMSProp",
            "base_lr": self.learningrate,
            "rms_decay": self.decayrate,
            "delta": self.epsilon,
            **_decaying(self.learningrate_decay),
        }


@dataclass(frozen=True)
class Adadelta:
    """AdaDelta, whose learning rate is 1."""

    decayrate: float = 0.9
    epsilon: float = 1e-10

    def fields(self) -> Fields:
        """Return "AdaDelta"."""
        return {
            "type": "AdaDelta",
            "base_lr": 1.0,
            "momentum": self.decayrate,
            "delta": self.epsilon,
            **Default().fields(),
        }
