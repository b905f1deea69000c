"""Operations between whole blobs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import mul
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bigdl_caffe.nn.gradient import apply


class Sum(nn.Module):
    """``sum of coefficient * bottom`` (eltwise_layer.cpp).

    Parameters
    ----------
    coefficients : sequence of float
        One a bottom.
    in_place : bool
        Whether the top is the first bottom's memory. Caffe clears the top before it
        adds, so the first bottom counts as 0; its gradient passes all the same.
    """

    def __init__(self, coefficients: Sequence[float], in_place: bool = False) -> None:
        super().__init__()
        self.coefficients, self.in_place = tuple(coefficients), in_place

    def forward(self, *bottoms: Tensor) -> Tensor:
        """Return a tensor of the bottoms' shape."""
        first, *others = self.coefficients
        top = bottoms[0] if first == 1 else bottoms[0] * first
        if self.in_place:
            top = top - top.detach()
        for bottom, c in zip(bottoms[1:], others, strict=True):
            top = torch.add(top, bottom, alpha=c)
        return top


class Product(nn.Module):
    """Product of the bottoms (eltwise_layer.cpp).

    Parameters
    ----------
    stable : bool
        Whether a bottom's gradient is the product of the others, and not the top divided
        by that bottom, which is NaN where it is 0.
    """

    def __init__(self, stable: bool = True) -> None:
        super().__init__()
        self.stable = stable

    def forward(self, *bottoms: Tensor) -> Tensor:
        """Return a tensor of the bottoms' shape."""
        top: Tensor = reduce(mul, bottoms) if self.stable else apply(_Quotient, *bottoms)
        return top


class _Quotient(torch.autograd.Function):
    """Product whose gradients are quotients."""

    @staticmethod
    def forward(ctx: Any, *bottoms: Tensor) -> Tensor:
        top = reduce(mul, bottoms)
        ctx.save_for_backward(top, *bottoms)
        return top

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, diff: Tensor) -> tuple[Tensor, ...]:
        top, *bottoms = ctx.saved_tensors
        return tuple(top / bottom * diff for bottom in bottoms)


class Maximum(nn.Module):
    """Largest of the bottoms, which alone gets the gradient (eltwise_layer.cpp).

    Where they are equal, the second bottom is taken before the first, and both
    before later ones.
    """

    def forward(self, first: Tensor, second: Tensor, *others: Tensor) -> Tensor:
        """Return a tensor of the bottoms' shape."""
        top = torch.where(first > second, first, second)
        for bottom in others:
            top = torch.where(bottom > top, bottom, top)
        return top


class Concat(nn.Module):
    """Bottoms one after the other along an axis (concat_layer.cpp)."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *bottoms: Tensor) -> Tensor:
        """Return one tensor."""
        return bottoms[0] if len(bottoms) == 1 else torch.cat(bottoms, self.axis)
