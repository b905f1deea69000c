"""SSD's loss box by box in plain numpy, after multibox_loss_layer.cpp of weiliu89/caffe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bigdl_caffe.format._pb import caffe_pb2 as pb
from tests.layers.ssd_loops import Array, area, decode, encode, overlap

Loss = pb.MultiBoxLossParameter
FLT_MIN = np.finfo(np.float32).tiny


def match(boxes: Array, truth: list[Array], p: pb.MultiBoxLossParameter) -> tuple[Any, Any]:
    """Return what each box has to find, -1 for nothing, -2 for out of it, and its overlap."""
    place, best = [-1] * len(boxes), [0.0] * len(boxes)
    if not truth:
        return place, best
    table = {}
    for i, box in enumerate(boxes):
        if p.ignore_cross_boundary_bbox and (min(box) < 0 or max(box) > 1):
            place[i] = -2
            continue
        for j, other in enumerate(truth):
            if overlap(box, other) > 1e-6:
                table[i, j] = overlap(box, other)
                best[i] = max(best[i], table[i, j])
    left = set(range(len(truth)))
    while True:
        free = [(-v, i, j) for (i, j), v in table.items() if place[i] == -1 and j in left]
        if not free:
            break
        value, i, j = min(free)
        place[i], best[i] = j, -value
        left.remove(j)
    if p.match_type == Loss.PER_PREDICTION:
        for i in range(len(boxes)):
            near = [(-v, j) for (k, j), v in table.items() if k == i and v >= p.overlap_threshold]
            if place[i] == -1 and near:
                place[i] = min(near)[1]
    return place, best


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    return e / e.sum()


def cross_entropy(x: Array, target: Array) -> float:
    return float((np.maximum(x, 0) - x * target + np.log1p(np.exp(-abs(x)))).sum())


def refine(priors: Array, offsets: Array, variances: Array, p: pb.MultiBoxLossParameter) -> Array:
    """Return the priors of an image, moved as RefineDet's first step says."""
    scale = np.ones_like(variances) if p.encode_variance_in_target else variances
    moves = zip(priors, offsets.reshape(-1, 4) * scale, strict=True)
    return np.array([decode(prior, move, p.code_type) for prior, move in moves])


class MultiBox:
    """One forward and backward pass; ``loss``, ``dloc`` and ``dconf`` are what it gives."""

    def __init__(
        self,
        blobs: Sequence[Array],
        p: pb.MultiBoxLossParameter,
        normalization: str = "VALID",
        propagate: tuple[bool, bool] = (True, True),
    ) -> None:
        loc, conf, prior, truth, *arms = (b.astype(np.float64) for b in blobs)
        self.p, self.n = p, len(loc)
        priors, self.variances = prior[0].reshape(2, -1, 4)
        self.count = len(priors)
        self.loc = loc.reshape(self.n, self.count, -1, 4)
        self.conf = conf.reshape(self.n, self.count, p.num_classes)
        self.priors, self.likely = [priors] * self.n, np.ones((self.n, self.count), bool)
        if arms:  # RefineDet's
            self.likely = arms[0].reshape(self.n, -1, 2)[..., 1] >= 0.01
            self.priors = [refine(priors, x, self.variances, p) for x in arms[1]]
        self.dloc, self.dconf = np.zeros_like(self.loc), np.zeros_like(self.conf)
        rows = truth.reshape(-1, 8)
        rows = [r for r in rows if r[0] != -1 and (p.use_difficult_gt or not r[7])]
        self.truth = [[r for r in rows if r[0] == i] for i in range(self.n)]
        places = [self.matched(i) for i in range(self.n)]
        self.place = [p_ for p_, _ in places]
        self.negative = [self.mined(i, *places[i]) for i in range(self.n)]
        location = sum(
            self.locate(i, m, c, j)
            for i in range(self.n)
            for c, column in self.place[i].items()
            for m, j in enumerate(column)
            if j > -1
        )
        matches = sum(j > -1 for one in self.place for column in one.values() for j in column)
        full = self.n * self.count
        sizes = {"VALID": matches, "FULL": full, "BATCH_SIZE": self.n, "NONE": 1}
        divisor = max(1, sizes[normalization])
        confidence = self.confide()
        self.loss = (p.loc_weight * location * propagate[0] + confidence * propagate[1]) / divisor
        self.dloc *= p.loc_weight * propagate[0] / divisor
        self.dconf *= propagate[1] / divisor

    def decoded(self, i: int, m: int, c: int) -> Array:
        offset = self.loc[i, m, c]
        if not self.p.encode_variance_in_target:
            offset = offset * self.variances[m]
        return decode(self.priors[i][m], offset, self.p.code_type)

    def matched(self, i: int) -> tuple[dict[int, list[int]], dict[int, list[float]]]:
        p, truth = self.p, self.truth[i]
        if not truth:
            return {}, {}
        classes = (
            [0]
            if p.share_location
            else [c for c in range(p.num_classes) if c != p.background_label_id]
        )
        every = [t[3:7] for t in truth]
        if p.use_prior_for_matching:
            place, best = match(self.priors[i], every, p)
            if p.share_location:
                return {0: place}, {0: best}
            own = {c: [j if j > -1 and truth[j][1] == c else -1 for j in place] for c in classes}
            return own, dict.fromkeys(classes, best)
        places, bests = {}, {}
        for c in classes:
            boxes = np.array([self.decoded(i, m, c) for m in range(self.count)])
            mine = [j for j, t in enumerate(truth) if p.share_location or t[1] == c]
            place, bests[c] = match(boxes, [every[j] for j in mine], p)
            places[c] = [mine[j] if j > -1 else j for j in place]
        return places, bests

    def locate(self, i: int, m: int, c: int, j: int) -> float:
        """Return the loss of a matched box, and write its gradient."""
        p, prior = self.p, self.priors[i][m]
        target = encode(prior, self.truth[i][j][3:7], p.code_type) / self.variances[m]
        given = self.loc[i, m, c].copy()
        if p.encode_variance_in_target:
            given /= self.variances[m]
        if p.bp_inside:
            box = prior if p.use_prior_for_matching else self.decoded(i, m, c)
            given = np.where((box < 0) | (box > 1), target, given)
        away = given - target
        if p.loc_loss_type == Loss.L2:
            self.dloc[i, m, c] = away
            return float((away**2).sum() / 2)
        self.dloc[i, m, c] = np.clip(away, -1, 1)
        return float(np.where(abs(away) < 1, away**2 / 2, abs(away) - 0.5).sum())

    def hardness(self, i: int, m: int, place: dict[int, list[int]]) -> float:
        j, x = place[0][m], self.conf[i, m]
        label = self.p.background_label_id if j < 0 else int(self.truth[i][j][1])
        if self.p.conf_loss_type == Loss.SOFTMAX:
            loss = -np.log(max(softmax(x)[label], FLT_MIN))
        else:
            loss = cross_entropy(x, np.eye(len(x))[label])
        if self.p.mining_type == Loss.HARD_EXAMPLE and j > -1:
            loss += self.locate(i, m, 0, j)
            self.dloc[i, m] = 0
        return loss

    def mined(self, i: int, place: dict[int, list[int]], best: dict[int, list[float]]) -> list[int]:
        p, everything = self.p, self.p.mining_type == Loss.HARD_EXAMPLE
        if p.mining_type == Loss.NONE or not place:
            return []
        column, count = place[0], self.count
        loss = [self.hardness(i, m, place) for m in range(count)]
        far = [column[m] == -1 and best[0][m] < p.neg_overlap for m in range(count)]
        order = [m for m in range(count) if (everything or far[m]) and self.likely[i, m]]
        order.sort(key=lambda m: -loss[m])
        most = p.sample_size if everything else int(sum(j > -1 for j in column) * p.neg_pos_ratio)
        if p.HasField("nms_param") and p.nms_param.nms_threshold > 0:
            order = self.apart(i, order)
        taken = set(order[:most])
        if everything:
            place[0] = column = [
                -1 if j > -1 and m not in taken else j for m, j in enumerate(column)
            ]
        return [m for m in sorted(taken) if column[m] == -1]

    def apart(self, i: int, order: list[int]) -> list[int]:
        p, kept = self.p, []
        order = order if p.nms_param.top_k < 0 else order[: p.nms_param.top_k]
        boxes = {
            m: self.priors[i][m] if p.use_prior_for_nms else self.decoded(i, m, 0) for m in order
        }
        for m in order:
            if area(boxes[m]) >= 1e-5 and all(
                overlap(boxes[k], boxes[m]) <= p.nms_param.nms_threshold for k in kept
            ):
                kept.append(m)
        return kept

    def confide(self) -> float:
        """Return the loss of the confidences, and write their gradients."""
        p, (n, count, classes) = self.p, self.conf.shape
        mined = p.mining_type != Loss.NONE
        labels = np.full((n, count), p.background_label_id)
        targets = np.full(n * count * classes, float(p.background_label_id))
        used = np.full((n, count), not mined)
        for i in range(n):
            start = i * count * (classes if mined else 1)  # the fork's own step without mining
            for column in self.place[i].values():
                for m, j in enumerate(column):
                    if j > -1:
                        label = int(self.truth[i][j][1])
                        label = p.background_label_id + 1 if p.map_object_to_agnostic else label
                        labels[i, m], used[i, m] = label, True
                        targets[start + m * classes + label] = 1
            for m in self.negative[i]:
                used[i, m] = True
                targets[start + m * classes + p.background_label_id] = 1
        loss, targets = 0.0, targets.reshape(self.conf.shape)
        for i, m in np.argwhere(used):
            x = self.conf[i, m]
            if p.conf_loss_type == Loss.SOFTMAX:
                prob = softmax(x)
                loss -= np.log(max(prob[labels[i, m]], FLT_MIN))
                self.dconf[i, m] = prob - np.eye(classes)[labels[i, m]]
            else:
                loss += cross_entropy(x, targets[i, m])
                self.dconf[i, m] = 1 / (1 + np.exp(-x)) - targets[i, m]
        return loss
