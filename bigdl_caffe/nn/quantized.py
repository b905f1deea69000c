"""Layers with int8 weights, computed in floats: what their whole numbers mean, anywhere.

A sum of products of whole numbers is exact in float32 up to 2**24, so that this gives what
integer kernels give but for the last bits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import TypeGuard, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.convolution import Convolution
from bigdl_caffe.nn.dense import InnerProduct

Layer = Convolution | InnerProduct
L = TypeVar("L", bound=Layer)
Keep = Callable[[Callable[[], Tensor]], Tensor]


def is_int8(module: object) -> TypeGuard[Layer]:
    """Return whether a layer's weight is int8, its channels' scales beside it."""
    if not isinstance(module, (Convolution, InnerProduct)):
        return False
    return module.weight is not None and module.weight.dtype == torch.int8


def scales_of(layer: Layer) -> Tensor:
    """Return what each of a layer's output channels is multiplied by, float32."""
    scales: Tensor = layer.get_parameter("scales")
    return scales


def with_floats(layer: L, keep: Keep = lambda make: make()) -> L:
    """Return ``layer`` with its weights multiplied out; itself if they are floats already.

    Parameters
    ----------
    keep : callable
        Takes what makes the weights, in new memory; returns them, or the same from elsewhere.
    """
    if not is_int8(layer):
        return layer
    floats = copy.copy(layer)
    floats._buffers, floats._parameters = {}, dict(layer._parameters)
    weight = keep(partial(_multiplied_out, layer))
    floats._parameters["weight"] = nn.Parameter(weight, requires_grad=False)
    return floats


def _multiplied_out(layer: Layer) -> Tensor:
    return layer.weight * scales_of(layer).view(-1, *[1] * (layer.weight.dim() - 1))


def product(layer: Layer, x: Tensor, weight: Tensor) -> Tensor:
    """Return what ``layer`` does to ``x`` with another ``weight`` and no bias."""
    if isinstance(layer, Convolution):
        top: Tensor = layer.convolve(x, weight, None)
        return top
    return F.linear(x.flatten(layer.axis), weight, None)


def per_channel(layer: Layer, numbers: Tensor) -> Tensor:
    """Return one number an output channel in a shape that goes with the top's."""
    return numbers.view(-1, *[1] * layer.spatial) if isinstance(layer, Convolution) else numbers


class Whole(nn.Module):
    """A layer of int8 weights.

    Parameters
    ----------
    layer : Convolution or InnerProduct
        `is_int8`.
    scale : float, optional
        What the bottom is whole numbers of, which were rounded before. Without, the bottom is
        any floats.
    """

    def __init__(self, layer: Layer, scale: float | None) -> None:
        super().__init__()
        self.layer, self.scale = layer, scale

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's top."""
        layer = self.layer
        scales = scales_of(layer).to(x.dtype)
        if self.scale is not None:
            x, scales = torch.round(x / self.scale), scales * self.scale
        top = product(layer, x, layer.weight.to(x.dtype)).mul_(per_channel(layer, scales))
        return top if layer.bias is None else top.add_(per_channel(layer, layer.bias))


class Round(nn.Module):
    """Floats to the nearest ``(n - zero) * scale``, n from ``least`` to ``most``."""

    def __init__(self, scale: float, zero: int, least: int, most: int) -> None:
        super().__init__()
        self.scale, self.span = scale, (least - zero, most - zero)

    def forward(self, x: Tensor) -> Tensor:
        """Return new memory of ``x``'s shape and order."""
        return torch.round(x / self.scale).clamp_(*self.span).mul_(self.scale)
