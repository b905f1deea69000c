"""Training on arrays, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bigdl_caffe import feeding
from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.model import Model
from bigdl_caffe.optimizer.base import BaseOptimizer, as_methods
from bigdl_caffe.optimizer.criteria import Criterion, ValidationMethod
from bigdl_caffe.optimizer.methods import OptimMethod
from bigdl_caffe.optimizer.nets import Nets
from bigdl_caffe.optimizer.plan import SEED, Plan, Validation
from bigdl_caffe.optimizer.samples import ArrayFeeds, ArraysOnce
from bigdl_caffe.optimizer.triggers import Trigger
from bigdl_caffe.train.order import Order
from bigdl_caffe.train.solver import Solver
from bigdl_caffe.train.state import SolverState
from bigdl_caffe.train.testing import Test


@dataclass(frozen=True)
class Arrays:
    """Rows in memory.

    Attributes
    ----------
    features : ndarray, or sequence of ndarray
        One for each input of the model.
    targets : ndarray
        Classes, counted from 0, or numbers.
    """

    features: Any
    targets: ArrayLike

    @property
    def target(self) -> Shape:
        """The shape of one target."""
        return np.shape(self.targets)[1:]

    def feeds(self, nets: Nets, batch: int, shuffle: bool) -> ArrayFeeds:
        """Return the rows as the nets' inputs take them.

        Raises
        ------
        ShapeError
            Where there are not as many targets as rows.
        """
        targets = np.asarray(self.targets, np.float32)
        arrays = feeding.name_arrays(self.features, nets.model.net)
        for blob, shape in nets.model.inputs.items():
            if arrays[blob].ndim != len(shape):
                raise ShapeError(
                    f"the features for '{blob}' have the shape {arrays[blob].shape}: its rows are "
                    f"{shape[1:]}, so give (n, {', '.join(map(str, shape[1:]))})"
                )
        arrays[nets.target_blob] = targets
        rows = {blob: len(array) for blob, array in arrays.items()}
        if len(set(rows.values())) > 1:
            told = ", ".join(f"{blob} {count}" for blob, count in rows.items())
            raise ShapeError(f"these differ in how many rows they have: {told}")
        return ArrayFeeds(arrays, Order(batch, len(targets), seed=SEED, shuffle=shuffle))


def train_arrays(
    plan: Plan, data: Arrays, held: Arrays | None, state: SolverState | None
) -> SolverState:
    """Train the plan's model.

    Parameters
    ----------
    plan : Plan
    data : Arrays
        To learn from.
    held : Arrays or None
        To validate with.
    state : SolverState or None
        To go on from.

    Returns
    -------
    SolverState
        To go on from another time.
    """
    nets = Nets(plan.model, plan.criterion, data.target)
    feeds = data.feeds(nets, plan.batch_size, shuffle=True)
    tests = []
    if plan.validation and held:
        once = ArraysOnce(held.feeds(nets, plan.validation.batch_size, shuffle=False))
        tests.append(Test(nets.validator(plan.validation.methods), once))
    solver = Solver(
        plan.solver(feeds.per_epoch),
        nets.learner(),
        feeds,
        tests,
        observers=plan.observers,
        rules=plan.rules(),
    )
    if state:
        solver.resume(state)
    solver.solve()
    return solver.state()


class LocalOptimizer(BaseOptimizer):
    """Trains on arrays, in this process.

    A second `optimize` goes on where the first ended, as BigDL's does.

    Parameters
    ----------
    X : ndarray, or list of ndarray
        Rows for each input of the model.
    Y : ndarray
        A target for each row. Classes are counted from 0, where BigDL's are from 1.
    model, criterion, end_trigger, batch_size, optim_method
        As of `BaseOptimizer`.
    """

    def __init__(
        self,
        X: Any,  # noqa: N803  (BigDL's name)
        Y: ArrayLike,  # noqa: N803  (BigDL's name)
        model: Model,
        criterion: Criterion,
        end_trigger: Trigger,
        batch_size: int,
        optim_method: OptimMethod | None = None,
    ) -> None:
        super().__init__(model, criterion, end_trigger, batch_size, optim_method)
        self._data = Arrays(X, Y)
        self._held: Arrays | None = None
        self._state: SolverState | None = None

    def set_model(self, model: Model) -> BaseOptimizer:
        """Train another model, from the beginning."""
        self._state = None
        return super().set_model(model)

    def set_validation(
        self,
        batch_size: int,
        X_val: Any,  # noqa: N803  (BigDL's name)
        Y_val: ArrayLike,  # noqa: N803  (BigDL's name)
        trigger: Trigger,
        val_method: ValidationMethod | Sequence[ValidationMethod] | None = None,
    ) -> BaseOptimizer:
        """Validate on held-out rows.

        Parameters
        ----------
        batch_size : int
            Rows at a time.
        X_val, Y_val
            As the data to learn from.
        trigger : Trigger
        val_method : ValidationMethod, or sequence of them
            By default `Top1Accuracy`. `MaxScore` goes by the first.
        """
        self._held = Arrays(X_val, Y_val)
        return self._set(validation=Validation(trigger, batch_size, as_methods(val_method)))

    def set_traindata(self, training_set: tuple[Any, ArrayLike], batch_size: int) -> BaseOptimizer:
        """Go on with other rows: (X, Y)."""
        self._data = Arrays(*training_set)
        return self._set(batch_size=batch_size)

    def _train(self, plan: Plan) -> None:
        self._state = train_arrays(plan, self._data, self._held, self._state)
