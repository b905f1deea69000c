"""What can be set of a training, by BigDL's names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.model import Model
from bigdl_caffe.optimizer.criteria import (
    Criterion,
    Top1Accuracy,
    ValidationMethod,
    check_criterion,
)
from bigdl_caffe.optimizer.methods import SGD, OptimMethod
from bigdl_caffe.optimizer.plan import Checkpoints, Plan
from bigdl_caffe.optimizer.triggers import Trigger
from bigdl_caffe.train.events import Observer


class BaseOptimizer(ABC):
    """What can be set of a training; every setter returns the optimizer.

    Parameters
    ----------
    model : Model
        With one output, loaded in the TEST phase. It is trained itself.
    criterion : str or callable
        Type of a loss layer of Caffe's ("SoftmaxWithLoss", "EuclideanLoss", ...), or a
        function of output and target that returns the mean over the rows, such as torch's
        losses. SoftmaxWithLoss takes the place of a Softmax that the model ends with.
    end_trigger : Trigger
        When to stop.
    batch_size : int
        Rows in an iteration, of all processes together.
    optim_method : OptimMethod
    """

    def __init__(
        self,
        model: Model,
        criterion: Criterion,
        end_trigger: Trigger,
        batch_size: int,
        optim_method: OptimMethod | None,
    ) -> None:
        check_criterion(criterion)
        method = optim_method or SGD()
        self._plan = Plan(model, criterion, method, end_trigger, batch_size)
        self._summaries: dict[str, Observer] = {}

    def set_model(self, model: Model) -> BaseOptimizer:
        """Train another model."""
        return self._set(model=model)

    def set_criterion(self, criterion: Criterion) -> BaseOptimizer:
        """Train with another criterion."""
        check_criterion(criterion)
        return self._set(criterion=criterion)

    def set_end_when(self, end_when: Trigger) -> BaseOptimizer:
        """Stop at another time."""
        return self._set(end=end_when)

    def set_checkpoint(
        self,
        checkpoint_trigger: Trigger,
        checkpoint_path: str | Path,
        isOverWrite: bool = True,  # noqa: N803  (BigDL's name)
    ) -> BaseOptimizer:
        """Write checkpoints, which are Caffe's snapshots.

        Parameters
        ----------
        checkpoint_trigger : Trigger
        checkpoint_path : path or URI
            The folder, which is made if it is not there, for files such as
            ``model_iter_100.caffemodel`` and ``model_iter_100.solverstate``.
        isOverWrite : bool
            Whether there may be checkpoints already.
        """
        return self._set(
            checkpoints=Checkpoints(checkpoint_trigger, str(checkpoint_path), isOverWrite)
        )

    def set_train_summary(self, summary: Observer) -> BaseOptimizer:
        """Write a `TrainSummary`; any other observer of the events is told as well."""
        self._summaries["train"] = summary
        return self

    def set_val_summary(self, summary: Observer) -> BaseOptimizer:
        """Write a `ValidationSummary`."""
        self._summaries["validation"] = summary
        return self

    def set_gradclip_const(self, min_value: float, max_value: float) -> BaseOptimizer:
        """Bound each value of the gradients."""
        if not min_value <= max_value:
            raise CaffeError(f"min_value {min_value} is over max_value {max_value}: exchange them")
        return self._set(clip_values=(min_value, max_value))

    def set_gradclip_l2norm(self, clip_norm: float) -> BaseOptimizer:
        """Scale the gradients down where their common L2 norm is over ``clip_norm``."""
        if not clip_norm > 0:
            raise CaffeError(f"clip_norm is {clip_norm}: give more than 0")
        return self._set(clip_norm=clip_norm)

    def disable_gradclip(self) -> BaseOptimizer:
        """Leave the gradients as they are."""
        return self._set(clip_values=None, clip_norm=None)

    def optimize(self) -> Model:
        """Train, and return the model.

        Raises
        ------
        CaffeError
            For data that the model cannot take.
        TrainingError
            For a loss that is no number.
        """
        if self._plan.checkpoints:
            self._plan.checkpoints.prepare()
        self._train(replace(self._plan, observers=tuple(self._summaries.values())))
        return self._plan.model

    @abstractmethod
    def _train(self, plan: Plan) -> None:
        """Train as ``plan`` says, and put the weights into its model."""

    def _set(self, **what: Any) -> BaseOptimizer:
        self._plan = replace(self._plan, **what)
        return self


def as_methods(
    given: ValidationMethod | Sequence[ValidationMethod] | None,
) -> tuple[ValidationMethod, ...]:
    """Return validation methods as a tuple: `Top1Accuracy` where none is given."""
    if given is None:
        return (Top1Accuracy(),)
    return tuple(given) if isinstance(given, Sequence) else (given,)
