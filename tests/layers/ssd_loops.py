"""SSD's rules box by box in plain numpy, after bbox_util.cpp and the layers of weiliu89/caffe."""

from __future__ import annotations

from typing import Any

import numpy as np

from bigdl_caffe.format._pb import caffe_pb2 as pb

Array = np.ndarray[Any, Any]
Code = pb.PriorBoxParameter


def area(box: Array) -> float:
    width, height = box[2] - box[0], box[3] - box[1]
    return 0.0 if width < 0 or height < 0 else width * height


def overlap(a: Array, b: Array) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (area(a) + area(b) - width * height)


def decode(prior: Array, offset: Array, code: int) -> Array:
    size = prior[2:] - prior[:2]
    if code == Code.CORNER:
        return prior + offset
    if code == Code.CORNER_SIZE:
        return prior + offset * np.tile(size, 2)
    center = (prior[:2] + prior[2:]) / 2 + offset[:2] * size
    half = np.exp(offset[2:]) * size / 2
    return np.concatenate((center - half, center + half))


def encode(prior: Array, box: Array, code: int) -> Array:
    size, new = prior[2:] - prior[:2], box[2:] - box[:2]
    if code == Code.CORNER:
        return box - prior
    if code == Code.CORNER_SIZE:
        return (box - prior) / np.tile(size, 2)
    shift = (box[:2] + box[2:]) / 2 - (prior[:2] + prior[2:]) / 2
    return np.concatenate((shift / size, np.log(new / size)))


# --- DetectionOutput and DetectionEvaluate ------------------------------------------------


def nms_fast(boxes: Array, scores: Array, p: pb.DetectionOutputParameter) -> list[int]:
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    order = [i for i in order if scores[i] > p.confidence_threshold]
    if p.nms_param.HasField("top_k") and p.nms_param.top_k > -1:
        order = order[: p.nms_param.top_k]
    kept: list[int] = []
    threshold = p.nms_param.nms_threshold
    for i in order:
        if all(overlap(boxes[i], boxes[k]) <= threshold for k in kept):
            kept.append(i)
            if p.nms_param.eta < 1 and threshold > 0.5:
                threshold *= p.nms_param.eta
    return kept


def detection_output(
    loc: Array, conf: Array, prior: Array, p: pb.DetectionOutputParameter
) -> Array:
    n, (priors, variances) = len(loc), prior[0].reshape(2, -1, 4)
    loc = loc.reshape(n, len(priors), -1, 4)
    conf = conf.reshape(n, len(priors), p.num_classes)
    rows: list[list[float]] = []
    for i in range(n):
        found: list[tuple[float, int, Array]] = []
        for c in set(range(p.num_classes)) - {p.background_label_id}:
            offsets = loc[i, :, 0 if p.share_location else c]
            if not p.variance_encoded_in_target:
                offsets = offsets * variances
            pairs = zip(priors, offsets, strict=True)
            boxes = np.array([decode(prior, o, p.code_type) for prior, o in pairs])
            kept = nms_fast(boxes, conf[i, :, c], p)
            found += [(conf[i, k, c], c, boxes[k]) for k in kept]
        if -1 < p.keep_top_k < len(found):
            found = sorted(found, key=lambda f: -f[0])[: p.keep_top_k]
        rows += [
            [i, c, score, *box] for score, c, box in sorted(found, key=lambda f: (f[1], -f[0]))
        ]
    return np.array(rows or [[i, *[-1] * 6] for i in range(n)])


def detection_evaluate(found: Array, truth: Array, p: pb.DetectionEvaluateParameter) -> Array:
    stop = [i for i, row in enumerate(truth) if row[0] == -1]
    truth = truth[: stop[0]] if stop else truth
    rows: list[list[float]] = []
    for c in set(range(p.num_classes)) - {p.background_label_id}:
        counted = [t for t in truth if t[1] == c and (p.evaluate_difficult_gt or not t[7])]
        rows.append([-1, c, len(counted), -1, -1])
    for image, c in sorted({(f[0], f[1]) for f in found if f[1] != -1}):
        mine = [f for f in found if f[0] == image and f[1] == c]
        theirs = [t for t in truth if t[0] == image and t[1] == c]
        if theirs:
            mine.sort(key=lambda f: -f[2])
        taken: set[int] = set()
        for f in mine:
            overlaps = [overlap(f[3:], t[3:7]) for t in theirs]
            best = int(np.argmax(overlaps)) if overlaps else -1
            right = wrong = 0
            if best < 0 or overlaps[best] < p.overlap_threshold:
                wrong = 1
            elif p.evaluate_difficult_gt or not theirs[best][7]:
                right, wrong = (0, 1) if best in taken else (1, 0)
                taken.add(best)
            rows.append([image, c, f[2], right, wrong])
    return np.array(rows)
