"""Which priors' confidences SSD trains: the hardest, by their loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bigdl_caffe.nn.boxes import areas, suppress
from bigdl_caffe.nn.detections import candidates
from bigdl_caffe.nn.matching import NOT, Match
from bigdl_caffe.nn.sorting import leading

LEAST_AREA = 1e-5


@dataclass(frozen=True)
class Mining:
    """How many of the hardest are taken, and of what.

    Attributes
    ----------
    everything : bool
        Whether to take ``sample`` of all priors (HARD_EXAMPLE), or else, for each one that has
        an object, ``ratio`` of those without (MAX_NEGATIVE).
    ratio : float
        See above.
    overlap : float
        Below which overlap with all objects a prior counts as one without.
    sample : int
        See above.
    suppress : float
        Largest overlap of two that are taken; 0 or less for any.
    among : int
        How many of the hardest suppression looks at, -1 for all.
    by_prior : bool
        Whether it looks at the priors, or at the network's own boxes.
    """

    everything: bool
    ratio: float
    overlap: float
    sample: int
    suppress: float
    among: int
    by_prior: bool


def mine(
    mining: Mining, found: Match, loss: Tensor, boxes: Tensor, allowed: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the objects' numbers that stay, and which priors are negatives.

    As MineHardExamples of bbox_util.cpp.

    Parameters
    ----------
    mining : Mining
        See there.
    found : Match
        What each prior has to find, (n, priors).
    loss : Tensor
        (n, priors)
    boxes : Tensor
        (n, priors, 4) For suppression.
    allowed : Tensor
        (n, priors) of bool: which can be taken at all.

    Returns
    -------
    tuple of Tensor
        (n, priors) of numbers, and of bool.
    """
    far = (found.place == NOT) & (found.overlap < mining.overlap)
    eligible = (far | mining.everything) & allowed
    objects = (found.place >= 0).sum(1)
    most = torch.full_like(objects, mining.sample)
    if not mining.everything:
        most = (objects.to(torch.float32) * mining.ratio).clamp(0, loss.shape[1]).long()
    if mining.suppress > 0:
        taken = _apart(mining, loss.where(eligible, -torch.inf), boxes, most)
    else:
        taken = _hardest(loss, eligible, most)
    place = found.place
    if mining.everything:
        place = place.where((place < 0) | taken, NOT)
    return place, taken & (place == NOT)


def _hardest(loss: Tensor, eligible: Tensor, most: Tensor) -> Tensor:
    """Return (n, priors) of bool: the ``most`` (n,) largest losses among the eligible."""
    taken = torch.zeros_like(eligible)
    for i, count in enumerate(most.tolist()):
        places = eligible[i].nonzero()[:, 0]
        taken[i, places[leading(loss[i, places], count)]] = True
    return taken


def _apart(mining: Mining, loss: Tensor, boxes: Tensor, most: Tensor) -> Tensor:
    """Return what `_hardest` does, leaving out what overlaps something harder (ApplyNMS)."""
    best = candidates(loss, -torch.inf, mining.among)
    image = torch.arange(len(loss), device=loss.device).unsqueeze(1)
    near = boxes[image, best.place]
    keep = suppress(near, best.valid & (areas(near) >= LEAST_AREA), mining.suppress)
    keep &= keep.cumsum(1) <= most.unsqueeze(1)
    taken = torch.zeros_like(loss, dtype=torch.bool)
    taken[image.expand_as(keep)[keep], best.place[keep]] = True
    return taken
