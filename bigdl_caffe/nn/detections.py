"""From a network's locations and confidences to detections, as SSD's last layer makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bigdl_caffe.nn.boxes import CODES, suppress
from bigdl_caffe.nn.sorting import leading


@dataclass(frozen=True)
class Selection:
    """Which boxes DetectionOutput keeps.

    Attributes
    ----------
    classes : int
        Number of classes, the background included.
    background : int
        Class that is no detection; -1 or any number beyond the classes for none.
    confidence : float
        Score that a detection has to exceed.
    overlap, eta : float
        Of `bigdl_caffe.nn.boxes.suppress`.
    per_class, per_image : int
        Candidates a class of an image, and detections an image, at most; -1 for all.
    objectness : float or None
        Probability of an object from which on a prior counts, and that there is one to read.
    """

    classes: int
    background: int
    confidence: float
    overlap: float
    eta: float = 1.0
    per_class: int = -1
    per_image: int = -1
    objectness: float | None = None


class DetectionOutput(nn.Module):
    """Decoded boxes after a threshold and non-maximum suppression (detection_output_layer.cpp).

    Nothing is decoded but the boxes that reach suppression.

    Parameters
    ----------
    selection : Selection
        Which boxes to keep.
    code : str
        Name of the `bigdl_caffe.nn.boxes.CODES`.
    shared : bool
        Whether all classes share one box a prior.
    scaled : bool
        Whether to multiply the offsets by the priors' variances.
    """

    def __init__(self, selection: Selection, code: str, shared: bool, scaled: bool) -> None:
        super().__init__()
        self.selection, self.code = selection, code
        self.shared, self.scaled = shared, scaled

    @torch.no_grad()
    def forward(self, loc: Tensor, conf: Tensor, prior: Tensor, *more: Tensor) -> Tensor:
        """Return (1, 1, detections, 7): image, class, score, xmin, ymin, xmax, ymax.

        Rows go by image, class and falling score. Without any detection there is one row
        ``[i, -1, -1, -1, -1, -1, -1]`` an image.

        Parameters
        ----------
        loc : Tensor
            (n, priors * 4), or (n, priors * classes * 4) where they are not shared.
        conf : Tensor
            (n, priors * classes) scores.
        prior : Tensor
            (1, 2, priors * 4) as PriorBox makes them.
        *more : Tensor
            With ``objectness`` (n, priors * 2), whether a prior holds nothing or an object, and
            (n, priors * 4), how it moves first; otherwise not read.
        """
        s, n = self.selection, len(loc)
        scores = conf.reshape(n, -1, s.classes).transpose(1, 2)
        scores = scores.clone(memory_format=torch.contiguous_format)
        priors, variances = prior[0].reshape(2, -1, 4)
        priors = priors.expand(n, -1, -1)
        if s.objectness is not None:
            empty = more[0].reshape(n, -1, 2)[..., 1] < s.objectness
            scores.transpose(1, 2)[empty] = torch.eye(s.classes).to(scores)[0]
            priors = self._moved(priors, more[1].reshape(n, -1, 4), variances)
        scores = scores.flatten(0, 1)
        if 0 <= s.background < s.classes:
            scores[s.background :: s.classes] = -torch.inf
        found = candidates(scores, s.confidence, s.per_class)
        boxes = self._decode(loc, priors, variances, found)
        keep = suppress(boxes, found.valid, s.overlap, eta=s.eta)
        kept = keep.nonzero().unbind(1)
        image, label = kept[0].div(s.classes, rounding_mode="floor"), kept[0] % s.classes
        known = torch.stack((image.to(conf), label.to(conf), found.score[kept]), 1)
        rows = best_of_each_image(torch.cat((known, boxes[kept]), 1), s.per_image)
        if not len(rows):
            rows = rows.new_full((n, 7), -1)
            rows[:, 0] = torch.arange(n)
        return rows[None, None]

    def _decode(self, loc: Tensor, priors: Tensor, variances: Tensor, found: Candidates) -> Tensor:
        """Return the candidates' boxes (problems, k, 4), a problem for each image's class."""
        classes = self.selection.classes
        row, column = found.valid.nonzero().unbind(1)
        place, image = found.place[row, column], row.div(classes, rounding_mode="floor")
        each = loc.reshape(*priors.shape[:2], -1, 4)
        offsets = each[image, place, 0 if self.shared else row % classes]
        boxes = loc.new_zeros((*found.valid.shape, 4))
        boxes[row, column] = self._moved(priors[image, place], offsets, variances[place])
        return boxes

    def _moved(self, priors: Tensor, offsets: Tensor, variances: Tensor) -> Tensor:
        """Return ``priors`` moved by what the network says, all of them (..., 4)."""
        return CODES[self.code].decode(priors, offsets * variances if self.scaled else offsets)


def place_in_group(group: Tensor, counts: Tensor) -> Tensor:
    """Return which of its group each element is, from 0 on.

    Parameters
    ----------
    group : Tensor
        (n,) Rising numbers of groups.
    counts : Tensor
        (groups,) How many elements each has.
    """
    first = counts.cumsum(0) - counts
    return torch.arange(len(group), device=group.device) - first[group]


class Candidates(NamedTuple):
    """The best-scored places of some problems, best first, equal scores by their place.

    Attributes
    ----------
    place, score : Tensor
        (problems, k) Where in the problem, and how good.
    valid : Tensor
        (problems, k) of bool; False for what only fills a row up.
    """

    place: Tensor
    score: Tensor
    valid: Tensor


def candidates(scores: Tensor, least: float, most: int) -> Candidates:
    """Return the places of ``scores`` (problems, places) that exceed ``least``.

    Of each problem the ``most`` best, or all of them where that is -1 (GetMaxScoreIndex of
    bbox_util.cpp).
    """
    above = scores > least
    counts = above.sum(1, dtype=torch.int32)  # four times as fast as in int64
    if most >= 0 and (counts > most).any():
        above &= scores >= _floor(scores, counts > most, max(most, 1)).unsqueeze(1)
        counts = above.sum(1, dtype=torch.int32)
    row, column = above.nonzero().unbind(1)
    slot = place_in_group(row, counts)
    shape = (len(scores), int(counts.max()))
    score, place = scores.new_full(shape, -torch.inf), row.new_zeros(shape)
    score[row, slot], place[row, slot] = scores[row, column], column
    score, order = score.sort(dim=1, descending=True, stable=True)
    cut = slice(None) if most < 0 else slice(most)
    valid = torch.arange(shape[1], device=row.device) < counts.unsqueeze(1)
    return Candidates(place.gather(1, order)[:, cut], score[:, cut], valid[:, cut])


def _floor(scores: Tensor, crowded: Tensor, most: int) -> Tensor:
    """Return (problems,) the ``most``-th best score of the crowded ones, nothing of others."""
    floor = scores.new_full((len(scores),), -torch.inf)
    some = scores[crowded].nan_to_num(-torch.inf, torch.inf, -torch.inf)
    floor[crowded] = some.topk(most).values[:, -1]
    return floor


def best_of_each_image(rows: Tensor, most: int) -> Tensor:
    """Return ``rows`` (n, 7) with at most ``most`` of each image, by class and falling score.

    ``rows`` come by image, class and falling score; -1 keeps all. Equal scores come out as
    Caffe's sort over the classes leaves them.
    """
    if most < 0 or not len(rows):
        return rows
    parts = list(torch.split(rows, rows[:, 0].long().bincount().tolist()))
    for i, part in enumerate(parts):
        if len(part) > most:
            best = part[leading(part[:, 2], most)]
            parts[i] = best[best[:, 1].argsort(stable=True)]
    return torch.cat(parts)
