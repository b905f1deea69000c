"""What a row's output is worth beside its label: BigDL's validation methods as pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from bigdl_caffe.errors import CaffeError, ShapeError

if TYPE_CHECKING:
    from bigdl_caffe.model import Model

Array = npt.NDArray[Any]
Criterion = Callable[[Array, Array], Array]

_LEAST = float(np.finfo(np.float32).tiny)
"""Caffe's losses take no logarithm of less (FLT_MIN in softmax_loss_layer.cpp)."""


class Metric(Protocol):
    """What `bigdl_caffe.Model.evaluate` takes the mean of; picklable."""

    @property
    def name(self) -> str:
        """What results call it."""

    @property
    def classes(self) -> bool:
        """Whether labels have to be 0-based classes."""

    def of(self, outputs: Array, labels: Array) -> Array:
        """Return a number a row, from float64 of shape (rows, values) and (rows, values)."""


@dataclass(frozen=True)
class TopAccuracy:
    """Whether the label is among the ``k`` classes with the largest numbers.

    Of equal numbers those of lower classes count as larger, as `Model.predict_class` has it;
    NaN counts as larger than the label's.
    """

    k: int = 1
    classes = True

    @property
    def name(self) -> str:
        """BigDL's name."""
        return f"Top{self.k}Accuracy"

    def of(self, outputs: Array, labels: Array) -> Array:
        """Return 1 for each row that is right, 0 for others."""
        own = np.take_along_axis(outputs, labels.astype(np.intp), 1)
        lower = np.arange(outputs.shape[1]) < labels
        above = ~(outputs <= own) | ((outputs == own) & lower)
        right: Array = (above.sum(1) < self.k) & ~np.isnan(own[:, 0])
        return right


@dataclass(frozen=True)
class Loss:
    """The mean of a criterion.

    Parameters
    ----------
    criterion : callable, optional
        As `Metric.of`, of classes. By default what Caffe's SoftmaxWithLoss computes:
        `log_loss` for the output of a Softmax layer, else `softmax_loss`.
    """

    criterion: Criterion | None = None
    name = "Loss"
    classes = True

    def of(self, outputs: Array, labels: Array) -> Array:
        """Return the criterion of each row."""
        return (self.criterion or log_loss)(outputs, labels)


@dataclass(frozen=True)
class MAE:
    """The mean distance between a row's numbers and its label's, of which there are as many."""

    name = "MAE"
    classes = False

    def of(self, outputs: Array, labels: Array) -> Array:
        """Return the mean distance of each row."""
        if outputs.shape != labels.shape:
            raise ShapeError(
                f"a row of the output has {outputs.shape[1]} numbers and its label "
                f"{labels.shape[1]}: MAE compares one with one"
            )
        distance: Array = np.abs(outputs - labels).mean(1)
        return distance


def log_loss(outputs: Array, labels: Array) -> Array:
    """Return minus the logarithm of the label's probability, of which ``outputs`` are."""
    own = np.take_along_axis(outputs, labels.astype(np.intp), 1)[:, 0]
    loss: Array = -np.log(np.maximum(own, _LEAST))
    return loss


def softmax_loss(outputs: Array, labels: Array) -> Array:
    """Return the same for ``outputs`` that no softmax has made probabilities of."""
    own = np.take_along_axis(outputs, labels.astype(np.intp), 1)[:, 0]
    largest = outputs.max(1)
    total = np.log(np.exp(outputs - largest[:, None]).sum(1)) + largest
    loss: Array = total - own
    return loss


METRICS: dict[str, Metric] = {
    "top1": TopAccuracy(1),
    "top5": TopAccuracy(5),
    "loss": Loss(),
    "mae": MAE(),
}
"""Short name → metric; BigDL's own names, such as "Top1Accuracy", are known as well."""


def chosen(
    metrics: str | Metric | Sequence[str | Metric], model: Model, blob: str
) -> tuple[Metric, ...]:
    """Return metrics by their names, and the loss that fits ``blob``.

    Raises
    ------
    CaffeError
        For names of none.
    """
    given = (
        list(metrics)
        if isinstance(metrics, Sequence) and not isinstance(metrics, str)
        else [metrics]
    )
    known = {**METRICS, **{metric.name: metric for metric in METRICS.values()}}
    wrong = [name for name in given if isinstance(name, str) and name not in known]
    if wrong or not given:
        raise CaffeError(f"there is no metric {wrong}: choose from {', '.join(known)}")
    found = [known[metric] if isinstance(metric, str) else metric for metric in given]
    return tuple(_fitted(metric, model, blob) for metric in found)


def _fitted(metric: Metric, model: Model, blob: str) -> Metric:
    if not isinstance(metric, Loss) or metric.criterion:
        return metric
    makers = [layer.type for layer in model.net.layers if blob in layer.tops]
    return Loss(log_loss if makers[-1:] == ["Softmax"] else softmax_loss)
