"""The update rules of Caffe's solvers (src/caffe/solvers/*.cpp), on lists of tensors.

A rule turns gradients into what is subtracted from the weights, and keeps a history. What
comes before it, clipping, the division by iter_size and weight decay, is in `Updater.apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.train.definition import SolverDef

Tensors = list[Tensor]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Step:
    """What a rule goes by besides gradients and history.

    Attributes
    ----------
    solver : SolverDef
    iteration : int
        0-based.
    rates : list of float
        The learning rate of each tensor, its lr_mult in it.
    """

    solver: SolverDef
    iteration: int
    rates: list[float]


Rule = Callable[[Step, Tensors, Sequence[Tensors]], Tensors]
"""Returns the update; gradients and history may be written to."""


def sgd(step: Step, grads: Tensors, history: Sequence[Tensors]) -> Tensors:
    """Momentum on rate × gradient (sgd_solver.cpp)."""
    (velocity,) = history
    torch._foreach_mul_(grads, step.rates)
    torch._foreach_mul_(velocity, step.solver.momentum)
    torch._foreach_add_(velocity, grads)
    return velocity


def nesterov(step: Step, grads: Tensors, history: Sequence[Tensors]) -> Tensors:
    """Step over the momentum that `sgd` would take (nesterov_solver.cpp)."""
    momentum = step.solver.momentum
    before = torch._foreach_mul(history[0], momentum)
    velocity = sgd(step, grads, history)
    update = torch._foreach_mul(velocity, 1 + momentum)
    torch._foreach_sub_(update, before)
    return list(update)


def adagrad(step: Step, grads: Tensors, history: Sequence[Tensors]) -> Tensors:
    """Divide by the root of all squares so far (adagrad_solver.cpp)."""
    (squares,) = history
    torch._foreach_addcmul_(squares, grads, grads)
    return _over_root(step, grads, squares)


def rmsprop(step: Step, grads: Tensors, history: Sequence[Tensors]) -> Tensors:
    """Divide by the root of a decaying mean of squares (rmsprop_solver.cpp)."""
    (squares,) = history
    _decay(squares, step.solver.rms_decay, grads)
    return _over_root(step, grads, squares)


def adadelta(step: Step, grads: Tensors, history: Sequence[Tensors]) -> Tensors:
    """Multiply by a mean of past updates over one of gradients (adadelta_solver.cpp)."""
    squares, updates = history
    momentum, delta = step.solver.momentum, step.solver.delta
    _decay(squares, momentum, grads)
    ratio = torch._foreach_add(updates, delta)
    torch._foreach_div_(ratio, torch._foreach_add(squares, delta))
    torch._foreach_sqrt_(ratio)
    torch._foreach_mul_(grads, ratio)
    _decay(updates, momentum, grads)
    torch._foreach_mul_(grads, step.rates)
    return grads


def adam(step: Step, grads: Tensors, history: Sequence[Tensors]) -> Tensors:
    """Mean over the root of the mean square, corrected for their start (adam_solver.cpp).

    Unlike torch's, ``delta`` is added before the correction.
    """
    means, squares = history
    beta1, beta2, t = step.solver.momentum, step.solver.momentum2, step.iteration + 1
    correction = sqrt(1 - beta2**t) / (1 - beta1**t)
    torch._foreach_lerp_(means, grads, 1 - beta1)
    _decay(squares, beta2, grads)
    update = torch._foreach_sqrt(squares)
    torch._foreach_add_(update, step.solver.delta)
    update = torch._foreach_div(means, update)
    torch._foreach_mul_(update, [rate * correction for rate in step.rates])
    return list(update)


def _decay(means: Tensors, keep: float, values: Tensors) -> None:
    """Bring ``means`` on by the squares of ``values``."""
    torch._foreach_mul_(means, keep)
    torch._foreach_addcmul_(means, values, values, 1 - keep)


def _over_root(step: Step, grads: Tensors, squares: Tensors) -> Tensors:
    roots = torch._foreach_sqrt(squares)
    torch._foreach_add_(roots, step.solver.delta)
    torch._foreach_div_(grads, roots)
    torch._foreach_mul_(grads, step.rates)
    return grads


RULES: dict[str, tuple[Rule, int]] = {
    "SGD": (sgd, 1),
    "Nesterov": (nesterov, 1),
    "AdaGrad": (adagrad, 1),
    "RMSProp": (rmsprop, 1),
    "AdaDelta": (adadelta, 2),
    "Adam": (adam, 2),
}
"""Caffe's type of a solver → its rule, and how many tensors it keeps of each blob."""


@dataclass(frozen=True)
class Learned:
    """A blob that the solver may change.

    Attributes
    ----------
    key : str
        "layer/index" of the layer that owns it.
    tensor : Tensor
    lr_mult, decay_mult : float
        As the net's definition gives them.
    """

    key: str
    tensor: Tensor
    lr_mult: float
    decay_mult: float

    @property
    def moves(self) -> bool:
        """Whether it changes at all: neither frozen nor a statistic."""
        return self.tensor.requires_grad and self.lr_mult != 0


@dataclass
class Updater:
    """Carries out updates, and holds their history.

    Parameters
    ----------
    solver : SolverDef
    blobs : tuple of Learned
        All blobs of the net once, in Caffe's order (Net::learnable_params). Those that do not
        move keep a history of zeros, so that states have Caffe's order.

    Attributes
    ----------
    history : list of Tensor
        In the order of Caffe's states: the first tensor of every blob, then the second.
    update : list of Tensor
        What the last `apply` subtracted from the blobs that move.
    """

    solver: SolverDef
    blobs: tuple[Learned, ...]
    history: Tensors = field(init=False)
    update: Tensors = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.rule, copies = RULES[self.solver.type]
        self.history = [torch.zeros_like(b.tensor) for _ in range(copies) for b in self.blobs]
        self.moving = [i for i, blob in enumerate(self.blobs) if blob.moves]
        n = len(self.blobs)
        self._held = [[self.history[at * n + i] for i in self.moving] for at in range(copies)]

    def restore(self, history: Sequence[Floats]) -> None:
        """Go on with a state's history.

        Raises
        ------
        CaffeError
            It is of another net, or of another type of solver.
        """
        if len(history) != len(self.history):
            raise CaffeError(
                f"the state has a history of {len(history)} blobs, and {self.solver.type} keeps "
                f"{len(self.history)} for this net of {len(self.blobs)}: resume with the net and "
                "the type of solver that wrote it"
            )
        keys = [blob.key for blob in self.blobs]
        wrong = [
            f"the state's history of '{keys[i % len(keys)]}' has {given.size} numbers, the blob "
            f"{own.numel()}: resume with the net that wrote it"
            for i, (own, given) in enumerate(zip(self.history, history, strict=True))
            if own.numel() != given.size
        ]
        if wrong:
            raise CaffeError(*wrong)
        for own, given in zip(self.history, history, strict=True):
            own.copy_(torch.from_numpy(np.array(given, np.float32)).reshape(own.shape))

    def updates(self) -> dict[str, Floats]:
        """Return what the last `apply` subtracted, by key; zeros for what does not move."""
        out = {blob.key: np.zeros(tuple(blob.tensor.shape), np.float32) for blob in self.blobs}
        for i, update in zip(self.moving, self.update, strict=False):
            out[self.blobs[i].key] = update.float().cpu().numpy()
        return out

    @torch.no_grad()
    def apply(self, iteration: int, rate: float) -> None:
        """Update the weights by the gradients that are in them (SGDSolver::ApplyUpdate)."""
        moving = [self.blobs[i] for i in self.moving]
        weights = [blob.tensor for blob in moving]
        grads = [_gradient(weight) for weight in weights]
        if not grads:
            return
        self._clip(grads)
        if self.solver.iter_size > 1:
            torch._foreach_mul_(grads, 1 / self.solver.iter_size)
        self._regularize(grads, weights, moving)
        step = Step(self.solver, iteration, [rate * blob.lr_mult for blob in moving])
        self.update = self.rule(step, grads, self._held)
        torch._foreach_sub_(weights, self.update)

    def _clip(self, grads: Tensors) -> None:
        """Bound each value, and scale all gradients down where their common norm is too large."""
        if self.solver.clip_values is not None:
            least, largest = self.solver.clip_values
            torch._foreach_clamp_min_(grads, least)
            torch._foreach_clamp_max_(grads, largest)
        most = self.solver.clip_gradients
        if most < 0:
            return
        norm = torch.stack(torch._foreach_norm(grads)).norm().item()
        if norm > most:
            torch._foreach_mul_(grads, most / norm)

    def _regularize(self, grads: Tensors, weights: Tensors, moving: Sequence[Learned]) -> None:
        decays = [self.solver.weight_decay * blob.decay_mult for blob in moving]
        if not any(decays):
            return
        l1 = self.solver.regularization_type == "L1"
        pull = torch._foreach_mul(torch._foreach_sign(weights) if l1 else weights, decays)
        torch._foreach_add_(grads, pull)


def _gradient(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad
