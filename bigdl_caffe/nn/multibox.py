"""SSD's loss: of the boxes that have to find an object, and of all confidences that count."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.boxes import CODES
from bigdl_caffe.nn.losses import floored, normalizer
from bigdl_caffe.nn.matching import Match, Objects, match, objects
from bigdl_caffe.nn.mining import Mining, mine
from bigdl_caffe.nn.surrogate import surrogate

LEAST = torch.finfo(torch.float32).tiny
"""FLT_MIN: the least probability that a logarithm is taken of."""


@dataclass(frozen=True)
class MultiBox:
    """Options of `MultiBoxLoss`; the names are those of MultiBoxLossParameter.

    Attributes
    ----------
    classes, background : int
        Number of classes, the background included, and which of them it is.
    code : str
        Name of the `bigdl_caffe.nn.boxes.CODES`.
    scaled : bool
        Whether the network says its offsets in units of the priors' variances.
    shared : bool
        Whether all classes share one box a prior.
    squared, logistic : bool
        Whether the losses are L2 in place of smooth L1, and logistic in place of softmax.
    difficult : bool
        Whether difficult objects count.
    overlap : float or None
        Overlap from which on further priors take an object; None for one prior an object.
    by_prior : bool
        Whether objects are matched with priors, or with the network's own boxes.
    inside_boxes, inside_sides : bool
        Whether boxes that reach out of the image take no part, or only those of their sides.
    agnostic : bool
        Whether all objects are of the class behind the background.
    mining : Mining or None
        Which confidences count; None for all.
    normalization : str
        Of `bigdl_caffe.nn.losses.normalizer`.
    weights : tuple of float
        What the location's and the confidence's loss count for.
    objectness : float
        Probability of an object from which on a prior is mined, where there is one.
    """

    classes: int
    background: int
    code: str
    scaled: bool
    shared: bool
    squared: bool
    logistic: bool
    difficult: bool
    overlap: float | None
    by_prior: bool
    inside_boxes: bool
    inside_sides: bool
    agnostic: bool
    mining: Mining | None
    normalization: str
    weights: tuple[float, float]
    objectness: float


@dataclass(frozen=True)
class Predictions:
    """What the network says of a batch, and of which priors it does.

    Attributes
    ----------
    loc : Tensor
        (n, priors, box classes, 4) offsets.
    conf : Tensor
        (n, priors, classes)
    priors : Tensor
        (n, priors, 4)
    variances : Tensor
        (priors, 4)
    """

    loc: Tensor
    conf: Tensor
    priors: Tensor
    variances: Tensor


class MultiBoxLoss(nn.Module):
    """Location and confidence loss of SSD (multibox_loss_layer.cpp).

    Parameters
    ----------
    options : MultiBox
        See there.
    """

    def __init__(self, options: MultiBox) -> None:
        super().__init__()
        self.options = options

    def forward(
        self, loc: Tensor, conf: Tensor, prior: Tensor, truth: Tensor, *more: Tensor
    ) -> Tensor:
        """Return the scalar loss.

        Parameters
        ----------
        loc, conf, prior : Tensor
            As `bigdl_caffe.nn.detections.DetectionOutput` takes them, before any softmax.
        truth : Tensor
            (1, 1, rows, 8) as `bigdl_caffe.nn.matching.objects` takes them.
        *more : Tensor
            RefineDet's: (n, priors * 2), whether a prior holds nothing or an object, and
            (n, priors * 4), how it moves first.
        """
        o, n = self.options, len(loc)
        priors, variances = prior.detach()[0].reshape(2, -1, 4)
        said = Predictions(
            loc.reshape(n, len(priors), -1, 4),
            conf.reshape(n, len(priors), o.classes),
            priors.expand(n, -1, -1),
            variances,
        )
        likely = torch.ones(n, len(priors), dtype=torch.bool, device=loc.device)
        if more:
            likely = more[0].detach().reshape(n, -1, 2)[..., 1] >= o.objectness
        if len(more) > 1:
            first = replace(said, loc=more[1].reshape(n, -1, 1, 4))
            said = replace(said, priors=self._decode(first)[:, :, 0])
        known = 2**31 if o.agnostic and o.mining is None else o.classes
        there = objects(truth, n, o.background, known, o.difficult)
        place, negative = self._chosen(said, there, likely)
        divisor = normalizer(o.normalization, n, len(priors), (place >= 0).sum())
        location = self._location(said, there, place).sum()
        confidence = self._confidence(said, there, place, negative)
        return (o.weights[0] * location + o.weights[1] * confidence) / divisor

    @torch.no_grad()
    def _chosen(
        self, said: Predictions, there: Objects, likely: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Return (n, priors, box classes) objects' numbers, and (n, priors) which are negatives.

        None in place of the latter is all priors without an object. Only what is ``likely``
        (n, priors) an object is mined.
        """
        o = self.options
        found = self._matches(said, there)
        if o.mining is None:
            return found.place, None
        loss = self._hardness(said, there, found.place)
        boxes = said.priors if o.mining.by_prior else self._decode(said)[:, :, 0]
        one = Match(found.place[..., 0], found.overlap[..., 0])
        likely = likely & there.there.any(1, keepdim=True)  # no objects, no negatives
        place, negative = mine(o.mining, one, loss, boxes, likely)
        return place.unsqueeze(2), negative

    def _matches(self, said: Predictions, there: Objects) -> Match:
        """Return the match of each prior and box class: (n, priors, box classes)."""
        o, (n, count, kinds) = self.options, said.loc.shape[:3]
        of_kind = there.labels.unsqueeze(1) == torch.arange(kinds, device=there.labels.device).view(
            1, -1, 1
        )
        if o.by_prior:
            boxes, truth, counts = said.priors, there.boxes, there.there
        else:
            boxes = self._decode(said).transpose(1, 2).flatten(0, 1)
            truth = there.boxes.repeat_interleave(kinds, 0)
            counts = there.there if o.shared else of_kind.flatten(0, 1)
        found = match(boxes, truth, counts, o.overlap, o.inside_boxes)
        place, overlap = (
            v.view(n, -1, count).transpose(1, 2) for v in (found.place, found.overlap)
        )
        if o.by_prior and not o.shared:  # an object is for the box of its own class
            own = of_kind.transpose(1, 2).gather(1, place.clamp(min=0).expand(-1, -1, kinds))
            place = place.where((place >= 0) & own, -1)
        return Match(place, overlap.expand_as(place))

    def _decode(self, said: Predictions) -> Tensor:
        """Return the boxes (n, priors, box classes, 4) that the network says."""
        offsets = said.loc.detach()
        if self.options.scaled:
            offsets = offsets * said.variances.unsqueeze(1)
        return CODES[self.options.code].decode(said.priors.unsqueeze(2), offsets)

    def _hardness(self, said: Predictions, there: Objects, place: Tensor) -> Tensor:
        """Return (n, priors): the loss that each would have, for which mining looks."""
        o = self.options
        labels = _labels(there, place, o.background)
        if o.logistic:
            target = F.one_hot(labels, o.classes).to(said.conf)
            cross = F.binary_cross_entropy_with_logits
            loss = cross(said.conf, target, reduction="none").sum(2)
        else:
            loss = -_log_probability(said.conf, labels)
        if o.mining is not None and o.mining.everything:
            image, prior, _ = (place >= 0).nonzero().unbind(1)
            loss[image, prior] += self._location(said, there, place)
        return loss

    def _location(self, said: Predictions, there: Objects, place: Tensor) -> Tensor:
        """Return the loss of each box that has an object, in the order of ``place``."""
        o, code = self.options, CODES[self.options.code]
        image, prior, kind = (place >= 0).nonzero().unbind(1)
        priors, variances = said.priors[image, prior], said.variances[prior]
        target = code.encode(priors, there.boxes[image, place[image, prior, kind]])
        given = said.loc[image, prior, kind]
        if o.scaled:
            target = target / variances
        if o.inside_sides:
            box = priors if o.by_prior else self._decode(said)[image, prior, kind]
            given = target.where((box < 0) | (box > 1), given)
        if not o.scaled:  # Caffe divides both, and leaves the gradient undivided
            target, given = target / variances, surrogate(given / variances, given)
        away = given - target
        loss = (
            away.square() / 2 if o.squared else F.smooth_l1_loss(away, away * 0, reduction="none")
        )
        return loss.sum(1)

    def _confidence(
        self, said: Predictions, there: Objects, place: Tensor, negative: Tensor | None
    ) -> Tensor:
        """Return the loss of the confidences that count, all together."""
        o = self.options
        positive = (place >= 0).any(2)
        used = torch.ones_like(positive) if negative is None else positive | negative
        if o.logistic:
            target = self._targets(said.conf, there, place, negative)
            cross = F.binary_cross_entropy_with_logits
            return cross(said.conf[used], target[used], reduction="sum")
        labels = _labels(there, place, o.background)
        if o.agnostic:
            labels = labels.where(~positive, o.background + 1)
        return -_log_probability(said.conf[used], labels[used]).sum()

    def _targets(
        self, conf: Tensor, there: Objects, place: Tensor, negative: Tensor | None
    ) -> Tensor:
        """Return (n, priors, classes) for a sigmoid, as EncodeConfPrediction sets them.

        It fills them with the background's number; and without mining it goes on from image to
        image by as many numbers as there are priors, so that later images' land elsewhere.
        """
        o, count = self.options, conf.shape[1]
        targets = torch.full_like(conf, o.background).flatten()
        image, prior, kind = (place >= 0).nonzero().unbind(1)
        label = there.labels[image, place[image, prior, kind]]
        label = torch.full_like(label, o.background + 1) if o.agnostic else label
        stride = count if negative is None else count * o.classes
        targets[image * stride + prior * o.classes + label] = 1
        if negative is not None:
            targets.view_as(conf)[..., o.background][negative] = 1
        return targets.view_as(conf)


def _labels(there: Objects, place: Tensor, background: int) -> Tensor:
    """Return (n, priors): the class of each one's object, of the last where it has several."""
    label = there.labels.gather(1, place.clamp(min=0).flatten(1)).view_as(place)
    label = label.where(place >= 0, -1).amax(2)
    return label.where(label >= 0, background)


def _log_probability(conf: Tensor, labels: Tensor) -> Tensor:
    """Return the logarithm of the softmax (..., classes) at ``labels``, not below `LEAST`'s."""
    logs = F.log_softmax(conf, -1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return floored(logs, torch.tensor(LEAST).log().item())
