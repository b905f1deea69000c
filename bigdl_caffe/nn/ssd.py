"""What SSD adds to a network besides its last layer: priors and a normalisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bigdl_caffe.nn.blobs import Weighted
from bigdl_caffe.nn.gradient import apply


class Normalize(Weighted):
    """Division by the L2 norm of a place or an image, times a learned scale (normalize_layer.cpp).

    Parameters
    ----------
    across_spatial : bool
        Whether the norm is that of a whole image, or that of the channels of one place.
    eps : float
        Added to the sum of squares.
    """

    def __init__(self, across_spatial: bool, eps: float) -> None:
        super().__init__()
        self.across_spatial, self.eps = across_spatial, eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, channels, ...)."""
        axes = tuple(range(1, x.dim())) if self.across_spatial else (1,)
        norm = (x.detach().square().sum(axes, keepdim=True) + self.eps).sqrt()
        scale = self.weight.reshape(-1, *[1] * (x.dim() - 2))
        top: Tensor = apply(_Normalize, x, norm, scale, axes)
        return top


class _Normalize(torch.autograd.Function):
    """``x / norm * scale``; ``norm`` is that of ``x`` over ``axes``.

    Caffe scales the gradient behind the division's own, where the chain rule does so before;
    the two differ where a norm goes over channels that are scaled differently.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, norm: Tensor, scale: Tensor, axes: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(x, norm, scale)
        ctx.axes = axes
        return x / norm * scale

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, norm, scale = ctx.saved_tensors
        unit = x / norm
        along = unit * (unit * gradient).sum(ctx.axes, keepdim=True)
        to_scale = (unit * gradient).sum_to_size(scale.shape)
        return (gradient - along) / norm * scale, None, to_scale, None


NORMS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "L1": lambda x: x.abs().sum(1, keepdim=True) + 1e-6,
    "L2": lambda x: (x.square().sum(1, keepdim=True) + 1e-6).sqrt(),
}
"""Norms of happynear's Caffe on a CPU; on a GPU it adds 1e-12 to the squares of L2."""


class Unit(nn.Module):
    """Division by the norm of each place's channels (normalize_layer.cpp of happynear's Caffe).

    Parameters
    ----------
    kind : str
        Of `NORMS`.
    gradient : bool
        Whether the second top has a gradient.
    norms : bool
        Whether there is a second top, which holds the norms.
    """

    def __init__(self, kind: str, gradient: bool, norms: bool) -> None:
        super().__init__()
        self.kind, self.gradient, self.norms = kind, gradient, norms

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Normalise (n, channels), (n, channels, width) or (n, channels, height, width)."""
        x = x.reshape(*x.shape, *[1] * (4 - x.dim()))
        norm = NORMS[self.kind](x)
        if not self.norms:
            return x / norm
        return x / norm, norm if self.gradient else norm.detach()


@dataclass(frozen=True)
class Priors:
    """How PriorBox lays its boxes out; each pair is (width, height).

    Attributes
    ----------
    boxes : sequence of pair of float
        Sizes of the boxes around each place, in pixels of the image.
    variance : sequence of float
        One number or four, handed on for decoding.
    image, step : pair of float, or None
        Size of the image, and distance of two places in it; None takes the image's own, and
        spreads the places evenly.
    offset : float
        Where in its step a place's centre lies.
    clip : bool
        Whether boxes end at the image's edges.
    """

    boxes: Sequence[tuple[float, float]]
    variance: Sequence[float]
    image: tuple[float, float] | None = None
    step: tuple[float, float] | None = None
    offset: float = 0.5
    clip: bool = False


class PriorBox(nn.Module):
    """Boxes of given sizes around each place of a feature map (prior_box_layer.cpp).

    Parameters
    ----------
    priors : Priors
        Their layout.
    """

    def __init__(self, priors: Priors) -> None:
        super().__init__()
        self.priors = priors

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """Return (1, 2, 4 * boxes): corners as shares of the image, then variances.

        ``x`` (n, channels, rows, columns) and ``image`` matter by their sizes only.
        """
        p, places = self.priors, (_extent(x, 3), _extent(x, 2))
        whole = p.image or (_extent(image, 3), _extent(image, 2))
        # In double precision: Caffe rounds at every step, and ends as near to the truth.
        size = torch.tensor(p.boxes, dtype=torch.float64, device=x.device)
        full = size.new_tensor(whole)
        step = size.new_tensor(p.step) if p.step else full / size.new_tensor(places)
        columns, rows = (torch.arange(n, dtype=size.dtype, device=x.device) for n in places)
        center = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)
        center = ((center + p.offset) * step).unsqueeze(-2)
        corners = torch.cat((center - size / 2, center + size / 2), -1) / full.repeat(2)
        corners = corners.clamp(0, 1) if p.clip else corners
        variance = size.new_tensor(p.variance).expand(4).expand_as(corners)
        return torch.stack((corners.flatten(), variance.flatten())).unsqueeze(0).to(x.dtype)


def _extent(x: Tensor, axis: int) -> int:
    """Return the size of an axis, 1 where there is none, as Caffe's height() and width()."""
    return x.shape[axis] if axis < x.dim() else 1
