"""BigDL's criteria and validation methods, as layers of the nets that learn and are tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.losses import Loss as LossLayer
from bigdl_caffe.layers.losses import Metric, same_counts
from bigdl_caffe.layers.registry import Layer, Role, registry

Criterion = str | Callable[[Tensor, Tensor], Tensor]
"""Type of a loss layer of Caffe's, or a function of output and target such as torch's losses."""

LOSS, MAE_TYPE = "Loss", "MAE"


class ValidationMethod(Protocol):
    """What is measured on the validation's data: its class is its name."""

    def layer(self, output: str, target: str) -> pb.LayerParameter | None:
        """Return the layer that measures it, None for the loss, which is there."""


@dataclass(frozen=True)
class Top1Accuracy:
    """The share of rows whose largest output is their class's."""

    def layer(self, output: str, target: str) -> pb.LayerParameter:
        """Return the layer that measures it."""
        return _accuracy("Top1Accuracy", 1, output, target)


@dataclass(frozen=True)
class Top5Accuracy:
    """The share of rows whose class is among the five largest outputs."""

    def layer(self, output: str, target: str) -> pb.LayerParameter:
        """Return the layer that measures it."""
        return _accuracy("Top5Accuracy", 5, output, target)


@dataclass(frozen=True)
class Loss:
    """The criterion that is trained with."""

    def layer(self, output: str, target: str) -> None:
        """Return None: the net has it."""


@dataclass(frozen=True)
class MAE:
    """The mean distance between outputs and targets, of which there are as many."""

    def layer(self, output: str, target: str) -> pb.LayerParameter:
        """Return the layer that measures it."""
        return pb.LayerParameter(name="MAE", type=MAE_TYPE, bottom=[output, target], top=["MAE"])


def _accuracy(name: str, k: int, output: str, target: str) -> pb.LayerParameter:
    layer = pb.LayerParameter(name=name, type="Accuracy", bottom=[output, target], top=[name])
    layer.accuracy_param.top_k = k
    return layer


class _Distance(nn.Module):
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return (output.flatten() - target.flatten()).abs().mean()


class MAELayer(Metric):
    """`MAE` as a layer."""

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        same_counts(bottoms)
        return [()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return _Distance()


class _Judge(nn.Module):
    """Calls a criterion, with classes as torch's losses take them."""

    def __init__(self, criterion: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self._criterion = criterion

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        classes = target.numel() == len(target) and output.numel() != len(output)
        return self._criterion(output, target.flatten().long() if classes else target)


def layer_of(criterion: Callable[[Tensor, Tensor], Tensor]) -> type[Layer]:
    """Return the layer type that computes ``criterion``, the mean of a batch's rows.

    Where there is one target a row and more than one output, targets are classes: it gets
    them as int64 of shape (N,).
    """

    class Custom(LossLayer):
        """The criterion as a layer."""

        def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
            """Return a scalar."""
            return [()]

        def module(self, bottoms: Sequence[Shape]) -> nn.Module:
            """Return the torch module."""
            return _Judge(criterion)

    return Custom


def check_criterion(criterion: Criterion) -> None:
    """Raise `CaffeError` for what is no criterion."""
    if isinstance(criterion, str):
        types = registry()
        if criterion not in types or types[criterion].role is not Role.LOSS:
            losses = sorted(name for name, cls in types.items() if cls.role is Role.LOSS)
            raise CaffeError(f"there is no loss '{criterion}'; Caffe has {', '.join(losses)}")
    elif not callable(criterion):
        raise CaffeError(
            f"the criterion is {criterion!r}: give a loss layer's type, such as 'SoftmaxWithLoss', "
            "or a function of output and target"
        )
