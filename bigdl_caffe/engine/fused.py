"""Operations that do the work of several layers, in torch's own functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.convolution import Convolution
from bigdl_caffe.nn.dense import InnerProduct
from bigdl_caffe.nn.elementwise import Sum


@dataclass(frozen=True)
class Activation:
    """What is done to each number of a result.

    Attributes
    ----------
    name : str
        oneDNN's name in torch's fused operations.
    scalars : tuple of float
        Its parameters there.
    """

    name: str = "none"
    scalars: tuple[float, ...] = ()

    def __call__(self, x: Tensor) -> Tensor:
        """Apply it to ``x``, whose memory is the result's."""
        return _IN_PLACE[self.name](x, *self.scalars)


NO_ACTIVATION = Activation()

_IN_PLACE: Mapping[str, Callable[..., Tensor]] = {
    "none": lambda x: x,
    "relu": torch.relu_,
    "leaky_relu": F.leaky_relu_,
    "hardtanh": F.hardtanh_,
    "sigmoid": torch.sigmoid_,
    "tanh": torch.tanh_,
}


def activation(module: object) -> Activation | None:
    """Return the activation that a layer's module is, None for anything else."""
    make = _ACTIVATIONS.get(type(module))
    return make(module) if make else None


_ACTIVATIONS: Mapping[type, Callable[..., Activation]] = {
    nn.ReLU: lambda module: Activation("relu"),
    nn.LeakyReLU: lambda module: Activation("leaky_relu", (module.negative_slope,)),
    nn.ReLU6: lambda module: Activation("hardtanh", (0.0, 6.0)),
    nn.Sigmoid: lambda module: Activation("sigmoid"),
    nn.Tanh: lambda module: Activation("tanh"),
}


class Joined(nn.Module):
    """A layer and the activation behind it, and what is added to it before that.

    Parameters
    ----------
    first : Convolution, InnerProduct or Sum
        Its result is new memory, which what follows overwrites.
    activation : Activation
        Applied last.
    adds : bool
        Whether a last bottom is added to the first's result.
    """

    def __init__(
        self,
        first: Convolution | InnerProduct | Sum,
        activation: Activation = NO_ACTIVATION,
        adds: bool = False,
    ) -> None:
        super().__init__()
        self.first, self.activation, self.adds = first, activation, adds

    def forward(self, *bottoms: Tensor) -> Tensor:
        """Return the first's result, summed and activated."""
        if self.adds:
            *bottoms, other = bottoms  # type: ignore[assignment]  # mypy: a list for a tuple
            return self.activation(self.first(*bottoms).add_(other))
        return self.activation(self.first(*bottoms))
