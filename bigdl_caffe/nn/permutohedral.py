"""Gaussian filtering of scattered points over a permutohedral lattice.

Adams, Baek and Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice"
(2010), as modified_permutohedral.cpp of torrvision/caffe computes it: each point is spread
over the corners of the simplex that it lies in, the corners are blurred along each axis of the
lattice, and each point gathers its corners again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.nn.gradient import apply

LANES = 4
"""Points that the fork computes at a time; it fills the last group up with points at 0, whose
corners take part in the blur."""

FARTHEST = 2.0**15
"""How far from 0 a point may lie; the fork counts cells in 16 bits."""


@dataclass(frozen=True)
class Lattice:
    """Which corners each point has, and which corners lie side by side.

    Attributes
    ----------
    corners : Tensor
        (images, points, d + 1) Number of each corner, from 1 on.
    weights : Tensor
        (images, points, d + 1) float32: a point's share in each.
    neighbours : Tensor
        (d + 1, 2, corners + 1) A corner's two neighbours along each axis; 0 is none.
    """

    corners: Tensor
    weights: Tensor
    neighbours: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Lattice:
        """Return the lattice of points (images, points, d), in units of standard deviations.

        Raises
        ------
        ShapeError
            Where points are no numbers, or lie too far apart to number their corners.
        """
        if not features.abs().max() < FARTHEST:
            raise ShapeError(
                f"a point of the lattice lies {features.abs().max():g} standard deviations from 0: "
                f"feed numbers, or give larger theta_alpha, theta_beta or theta_gamma"
            )
        n = features.shape[1]
        padded = F.pad(features.float(), (0, 0, 0, -n % LANES))
        place, rank, weights = _simplex(padded)
        codes, moves = _codes(place, rank)
        found, corners = torch.unique(codes, return_inverse=True)
        pairs = [torch.stack([_find(found, found + move) for move in pair]) for pair in moves]
        return cls(corners[:, :n] + 1, weights[:, :n], torch.stack(pairs))

    def filter(self, x: Tensor) -> Tensor:
        """Return ``x`` (images, channels, points) filtered."""
        filtered: Tensor = apply(_Filter, x, self, False)
        return filtered

    def run(self, x: Tensor, reverse: bool) -> Tensor:
        """Return ``x`` filtered, blurred along the axes from the last to the first if reverse."""
        images, channels, points = x.shape
        corners, weights = self.corners.flatten(0, 1), self.weights.flatten(0, 1).to(x)
        flat = x.transpose(1, 2).reshape(images * points, channels)
        values = x.new_zeros(self.neighbours.shape[-1], channels)
        for corner, weight in zip(corners.unbind(1), weights.unbind(1), strict=True):
            values.index_add_(0, corner, flat * weight[:, None])
        self._blur(values, reverse)
        gathered = F.embedding_bag(corners, values, mode="sum", per_sample_weights=weights)
        alpha = 1 / (1 + 2.0 ** (1 - corners.shape[1]))  # what the blur adds, on average
        return (gathered * alpha).view(images, points, channels).transpose(1, 2)

    def _blur(self, values: Tensor, reverse: bool) -> None:
        """Add to each corner half of its neighbours, axis by axis, in place."""
        # Buffers, because fresh memory for each axis would take ten times as long.
        one, other = torch.empty_like(values), torch.empty_like(values)
        for left, right in self.neighbours.flip(0) if reverse else self.neighbours:
            torch.index_select(values, 0, left, out=one)
            torch.index_select(values, 0, right, out=other)
            values.add_(one.add_(other), alpha=0.5)


class _Filter(torch.autograd.Function):
    """Each blur is symmetric, so the filter's transpose is the filter with its axes reversed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, lattice: Lattice, reverse: bool) -> Tensor:
        ctx.lattice, ctx.reverse = lattice, reverse
        return lattice.run(x, reverse)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return apply(_Filter, gradient, ctx.lattice, not ctx.reverse), None, None


def _simplex(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the simplex of each point: its corner 0, the ranks of its coordinates, the weights.

    The order of the operations is the fork's: rounding decides which simplex it is.
    """
    d = features.shape[-1]
    elevated = _elevate(features)
    cell = (elevated * torch.tensor(1 / (d + 1)).to(elevated)).round()
    corner = cell * (d + 1)
    rest = elevated - corner
    rank = _rank(rest) + cell.sum(-1, keepdim=True).long()
    wrap = (d + 1) * ((rank < 0).long() - (rank > d).long())  # back onto the plane of sum 0
    rank, corner = rank + wrap, corner + wrap
    share = (elevated - corner) * torch.tensor(1 / (d + 1)).to(elevated)
    share = torch.empty_like(share).scatter_(-1, d - rank, share)  # from the largest rank on
    first = share[..., :1] + (1 - share[..., -1:])
    return corner.long(), rank, torch.cat([first, share[..., 1:] - share[..., :-1]], -1)


def _elevate(features: Tensor) -> Tensor:
    """Return points on the plane of d + 1 coordinates that sum to 0, in the lattice's units."""
    d = features.shape[-1]
    deviation = torch.tensor(sqrt(2 / 3) * (d + 1)).item()
    total = torch.zeros_like(features[..., 0])
    out = []
    for j in range(d, 0, -1):
        x = features[..., j - 1] * torch.tensor(1 / sqrt((j + 1) * j) * deviation).to(features)
        out.append(total - j * x)
        total = total + x
    return torch.stack([total, *reversed(out)], -1)


def _rank(rest: Tensor) -> Tensor:
    """Return how many coordinates are larger than each; of equal ones the first is the larger."""
    n = rest.shape[-1]
    later = torch.ones(n, n, dtype=torch.bool, device=rest.device).triu(1)
    smaller = rest[..., :, None] < rest[..., None, :]
    return (smaller & later).sum(-1) + (~smaller & later).sum(-2)


def _codes(place: Tensor, rank: Tensor) -> tuple[Tensor, Tensor]:
    """Return a number for each corner, and what to add to it for each axis's two neighbours.

    A corner's first d coordinates are the digits; a margin keeps neighbours from wrapping round.
    """
    d = place.shape[-1] - 1
    place, rank = place[..., :d], rank[..., :d]
    low = place.amin((0, 1)) - 2 * d
    sizes = (place.amax((0, 1)) + 2 * d + 1 - low).tolist()
    if len(place) * prod(sizes) >= 2**63:
        raise ShapeError(
            f"the points of the lattice lie {max(sizes)} cells apart, too far to number its "
            f"corners: give larger theta_alpha, theta_beta or theta_gamma"
        )
    digit = torch.tensor([prod(sizes[i + 1 :]) for i in range(d)], device=place.device)
    image = torch.arange(len(place), device=place.device)[:, None] * prod(sizes)
    base = ((place - low) * digit).sum(-1) + image
    corners = [base + ((k - (d + 1) * (rank > d - k)) * digit).sum(-1) for k in range(d + 1)]
    up = torch.cat([(d + 1) * digit, digit.new_zeros(1)]) - digit.sum()
    return torch.stack(corners, -1), torch.stack([up, -up], -1)


def _find(found: Tensor, codes: Tensor) -> Tensor:
    """Return the number of each corner, 0 for none, behind a 0 for the corner that is none."""
    at = torch.searchsorted(found, codes).clamp(max=len(found) - 1)
    number = torch.where(found[at] == codes, at + 1, 0)
    return torch.cat([number.new_zeros(1), number])
