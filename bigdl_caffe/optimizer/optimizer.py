"""BigDL's Optimizer, as a thin layer over the loop that all training here shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from numpy.typing import ArrayLike

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.feeding import is_spark
from bigdl_caffe.model import Model
from bigdl_caffe.optimizer.base import BaseOptimizer, as_methods
from bigdl_caffe.optimizer.criteria import Criterion, ValidationMethod
from bigdl_caffe.optimizer.local import LocalOptimizer
from bigdl_caffe.optimizer.methods import OptimMethod
from bigdl_caffe.optimizer.plan import Plan, Validation
from bigdl_caffe.optimizer.triggers import MaxEpoch, Trigger

if TYPE_CHECKING:
    from pyspark import RDD

    from bigdl_caffe.optimizer.samples import Sample


class Optimizer(BaseOptimizer):
    """Trains on an RDD of samples, by ranks that are Spark tasks.

    The result is that of `LocalOptimizer` on the same rows, whatever the number of ranks.
    Where checkpoints are written, a process that dies costs what was done since the last.

    Parameters
    ----------
    model : Model
    training_rdd : RDD of Sample
    criterion, end_trigger, batch_size, optim_method
        As of `BaseOptimizer`.
    num_workers : int, optional
        Ranks; by default as many tasks as can run at once.
    """

    def __init__(
        self,
        model: Model,
        training_rdd: RDD[Sample],
        criterion: Criterion,
        end_trigger: Trigger,
        batch_size: int,
        optim_method: OptimMethod | None = None,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(model, criterion, end_trigger, batch_size, optim_method)
        self._data = training_rdd
        self._held: RDD[Sample] | None = None
        self._workers = num_workers

    @staticmethod
    def create(
        model: Model,
        training_set: RDD[Sample] | tuple[Any, ArrayLike],
        criterion: Criterion,
        end_trigger: Trigger | None = None,
        batch_size: int = 32,
        optim_method: OptimMethod | None = None,
        num_workers: int | None = None,
    ) -> Optimizer | LocalOptimizer:
        """Return the optimizer for an RDD of samples, or for arrays (X, Y).

        Parameters
        ----------
        training_set : RDD of Sample, or (X, Y)
        end_trigger : Trigger, optional
            By default one epoch.
        optim_method : OptimMethod, optional
            By default `SGD`.
        """
        end = end_trigger or MaxEpoch(1)
        if is_spark(training_set):
            rdd = cast("RDD[Sample]", training_set)
            return Optimizer(model, rdd, criterion, end, batch_size, optim_method, num_workers)
        if isinstance(training_set, tuple) and len(training_set) == 2:
            x, y = training_set
            return LocalOptimizer(x, y, model, criterion, end, batch_size, optim_method)
        raise CaffeError(
            f"training_set is of {type(training_set).__name__}: give an RDD of Sample, or (X, Y)"
        )

    def set_validation(
        self,
        batch_size: int,
        val_rdd: RDD[Sample],
        trigger: Trigger,
        val_method: ValidationMethod | Sequence[ValidationMethod] | None = None,
    ) -> BaseOptimizer:
        """Validate on held-out samples.

        Parameters
        ----------
        batch_size : int
            BigDL's; the rows are taken as many at a time as those that are trained on.
        val_rdd : RDD of Sample
        trigger : Trigger
        val_method : ValidationMethod, or sequence of them
            By default `Top1Accuracy`. `MaxScore` goes by the first.
        """
        self._held = val_rdd
        return self._set(validation=Validation(trigger, batch_size, as_methods(val_method)))

    def set_traindata(self, training_rdd: RDD[Sample], batch_size: int) -> BaseOptimizer:
        """Go on with other rows."""
        self._data = training_rdd
        return self._set(batch_size=batch_size)

    def _train(self, plan: Plan) -> None:
        from bigdl_caffe.optimizer.distributed import train_rdd  # Spark only when it is used

        train_rdd(plan, self._data, self._held, self._workers)
