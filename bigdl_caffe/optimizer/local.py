"""Training on arrays, in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bigdl_caffe import feeding
from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.optimizer.nets import Nets
from bigdl_caffe.optimizer.plan import SEED, Plan
from bigdl_caffe.optimizer.samples import ArrayFeeds, ArraysOnce
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
