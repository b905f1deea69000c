"""Where Caffe's backward pass cannot go: an error there, not a silent zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError


@dataclass(frozen=True)
class GradientEnd:
    """A forward hook: a gradient that would go on to some bottoms is an error.

    Attributes
    ----------
    bottoms : frozenset of int
        The bottoms that no gradient reaches: labels, indices, all that ArgMax takes.
    layer : str
        The layer, for the error's words.
    """

    bottoms: frozenset[int]
    layer: str

    def __call__(self, module: nn.Module, given: tuple[Tensor, ...], made: Any) -> Any:
        """Return what the module made, its gradient stopped where a bottom needs one."""
        ends = [x for i, x in enumerate(given) if i in self.bottoms and x.requires_grad]
        if not ends or not torch.is_grad_enabled():
            return made
        tops = (made,) if isinstance(made, Tensor) else made
        stopped = tuple(apply(_End, self.layer, top, *ends) for top in tops)
        return stopped[0] if isinstance(made, Tensor) else stopped


def apply(function: type[torch.autograd.Function], *args: Any) -> Any:
    """Return ``function.apply(*args)``: the one place that says torch leaves it untyped."""
    return function.apply(*args)  # type: ignore[no-untyped-call]  # torch does not type it


class _End(torch.autograd.Function):
    """Identity of ``top`` that also depends on ``ends``, to which there is no way back."""

    @staticmethod
    def forward(ctx: Any, layer: str, top: Tensor, *ends: Tensor) -> Tensor:
        ctx.layer = layer
        return top.view_as(top)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        raise CaffeError(
            f"{ctx.layer} has no backward pass to a bottom that needs a gradient, in Caffe as "
            "here: detach that bottom, or give the layer propagate_down: false for it"
        )
