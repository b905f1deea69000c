"""The loss of YOLO's third version against a loop written after yolov3_layer.cpp."""

from __future__ import annotations

from math import atan, exp, log, pi

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.layers.build import random
from tests.layers.test_yolo import Box, box_at, overlap, sigmoid
from tests.layers.test_yolo_training import LISTED, run, truths

Array = NDArray[np.floating]

ANCHORS = [10, 14, 23, 27, 37, 30, 30, 28]
MASK, UNIT = (2, 1, 3), 16
V3 = f"""num_class: 3 num: 3 anchors_scale: {UNIT} {" ".join(f"biases: {b}" for b in ANCHORS)}
    {" ".join(f"mask: {m}" for m in MASK)} thresh: 0.4 object_scale: 5 class_scale: 1.3
    coord_scale: 0.8"""


def likeness(kind: str, a: Box, b: Box) -> float:
    """Return box_iou, box_giou, box_diou or box_ciou."""
    iou = overlap(a, b)
    low, high = (
        [f(a[k] + sign * a[2 + k] / 2, b[k] + sign * b[2 + k] / 2) for k in (0, 1)]
        for f, sign in ((min, -1), (max, 1))
    )
    w, h = high[0] - low[0], high[1] - low[1]
    if kind == "GIOU":
        union = (a[2] * a[3] + b[2] * b[3]) / (1 + iou)
        return iou - (w * h - union) / (w * h)
    apart = ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / (w * w + h * h)
    if kind == "DIOU":
        return iou - apart**0.6
    if kind == "CIOU":
        shape = 4 / pi**2 * (atan(b[2] / b[3]) - atan(a[2] / a[3])) ** 2
        return iou - apart - shape * shape / (1 - iou + shape + 1e-6)
    return iou


def ends(box: Box) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom."""
    x, y, w, h = box
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def step(kind: str, a: Box, b: Box) -> list[float]:
    """Return dx_box_iou: derivatives by hand, one number after the other."""
    (x1, y1, x2, y2), (bx1, by1, bx2, by2) = ends(a), ends(b)
    w, h = min(x2, bx2) - max(x1, bx1), min(y2, by2) - max(y1, by1)
    i, apart = w * h, w <= 0 or h <= 0
    u = a[2] * a[3] + b[2] * b[3] - i
    cw, ch = max(x2, bx2) - min(x1, bx1), max(y2, by2) - min(y1, by1)
    area = [-a[3], -a[2], a[3], a[2]]  # left, top, right, bottom
    di = [-h * (x1 > bx1), -w * (y1 > by1), h * (x2 < bx2), w * (y2 < by2)]
    dc = [-ch * (x1 < bx1), -cw * (y1 < by1), ch * (x2 > bx2), cw * (y2 > by2)]
    du = [area[k] - di[k] for k in range(4)]
    p = [(u * di[k] - i * du[k]) / (u * u) if u > 0 else 0 for k in range(4)]
    if kind == "GIOU":
        c = cw * ch
        term = [(c * du[k] - u * dc[k]) / (c * c) for k in range(4)]
        p = term if apart else [p[k] + term[k] for k in range(4)]
    move = [p[0] + p[2], p[1] + p[3], p[2] - p[0], p[3] - p[1]]
    if kind in ("DIOU", "CIOU"):
        more = distance_step(a, b, cw, ch)
        move = more if apart else [move[k] + more[k] for k in range(4)]
    if kind == "CIOU":
        angle = atan(b[2] / b[3]) - atan(a[2] / a[3])
        shape = 4 / pi**2 * angle**2
        alpha = shape / (1 - i / u + shape + 1e-6)
        move[2] += alpha * 8 / pi**2 * angle * a[3]
        move[3] -= alpha * 8 / pi**2 * angle * a[2]
    return move


def distance_step(a: Box, b: Box, cw: float, ch: float) -> list[float]:
    """Return what the distance of two centres adds, over the diagonal around both."""
    (x1, y1, x2, y2), (bx1, by1, bx2, by2) = ends(a), ends(b)
    s, c = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2, cw * cw + ch * ch
    left, top, right, bottom = map(float, (x1 < bx1, y1 < by1, x2 > bx2, y2 > by2))
    return [
        (2 * (b[0] - a[0]) * c - 2 * cw * (right - left) * s) / c**2,
        (2 * (b[1] - a[1]) * c - 2 * ch * (bottom - top) * s) / c**2,
        2 * cw * (right + left) / 2 * s / c**2,
        2 * ch * (bottom + top) / 2 * s / c**2,
    ]


class Yolov3:
    """yolov3_layer.cpp's Forward_cpu, box by box."""

    def __init__(self, x: Array, kind: str, **options: float) -> None:
        self.x, self.kind, self.o = x, kind, options
        self.diff, self.unlike = np.zeros_like(x), []
        self.net = x.shape[3] * UNIT, x.shape[2] * UNIT
        for b, label in enumerate(LISTED.double().numpy()):
            self.nothing(b, truths(label, 1))
            for row in truths(label, 3):
                self.match(b, int(row[0]), list(row[1:]))

    def box(self, b: int, n: int, j: int, i: int) -> Box:
        bias = ANCHORS[2 * MASK[n]], ANCHORS[2 * MASK[n] + 1]
        return box_at(self.x[b, 8 * n : 8 * n + 8], i, j, bias, self.net)

    def nothing(self, b: int, seen: list[Array]) -> None:
        for j, i, n in np.ndindex(*self.x.shape[2:], 3):
            box = self.box(b, n, j, i)
            best = max([0.0, *(likeness(self.kind, box, list(t[1:])) for t in seen)])
            if best <= 0.4:
                self.diff[b, 8 * n + 4, j, i] = sigmoid(self.x[b, 8 * n + 4, j, i])

    def match(self, b: int, label: int, true: Box) -> None:
        shape = [0, 0, *true[2:]]
        own = [
            [0, 0, ANCHORS[2 * n] / self.net[0], ANCHORS[2 * n + 1] / self.net[1]] for n in range(4)
        ]
        alike = [likeness(self.kind, a, shape) for a in own]
        best = int(np.argmax(alike)) if max(alike) > 0 else -1
        if best in MASK:
            best = MASK.index(best)  # which the fork goes on with as if it were an anchor's number
            self.learn(b, best, label, true)
        for n in range(4):
            also = self.o["iou_thresh"]
            if n in MASK and n != best and also < 1 and alike[n] > also:
                self.learn(b, MASK.index(n), label, true)

    def learn(self, b: int, n: int, label: int, true: Box) -> None:
        j, i = int(true[1] * self.x.shape[2]), int(true[0] * self.x.shape[3])
        own, out = self.x[b, 8 * n : 8 * n + 8, j, i], self.diff[b, 8 * n : 8 * n + 8, j, i]
        if self.kind == "MSE":
            scale = 0.8 * (2 - true[2] * true[3])
            for k, (size, at) in enumerate(((self.x.shape[3], i), (self.x.shape[2], j))):
                out[k] = -scale * (true[k] * size - at - sigmoid(own[k]))
                bias = ANCHORS[2 * MASK[n] + k]
                out[2 + k] = -scale * (log(true[2 + k] * self.net[k] / bias) - own[2 + k])
        else:
            box = self.box(b, n, j, i)
            moves = np.array(step(self.kind, box, true)) * [1, 1, exp(own[2]), exp(own[3])]
            moves = np.clip(
                moves * self.o["iou_normalizer"], -self.o["max_delta"], self.o["max_delta"]
            )
            out[:4] = (out[:4] if self.o["accumulate"] else 0) - moves
            kind = "DIOU" if self.kind == "IOU" else self.kind
            self.unlike.append(1 - likeness(kind, box, true))
        out[4] = -(1 - sigmoid(own[4])) * (5 if self.o["use_logic_gradient"] else 1)
        self.classes(own, out, label)

    def classes(self, own: Array, out: Array, label: int) -> None:
        eps = self.o["label_smooth_eps"]
        p = np.array([sigmoid(v) for v in own[5:]])
        if out[5 + label]:
            out[5 + label] = -1.3 * (1 - eps + eps / 2 - p[label])
        elif self.o["use_focal_loss"]:
            pt = p[label] + 1e-15
            grad = -(1 - pt) * (2 * pt * log(pt) + pt - 1)
            out[5:] = -1.3 * (np.eye(3)[label] - p) * 0.5 * grad
        else:
            out[5:] = -1.3 * (np.eye(3)[label] * (1 - eps) + eps / 2 - p)

    def loss(self) -> float:
        if self.kind == "MSE":
            return float((self.diff**2).sum()) / 2
        rest = np.delete(self.diff.reshape(2, 3, 8, -1), [0, 1, 2, 3], 2)
        return float((rest**2).sum() + self.o["iou_normalizer"] * np.mean(self.unlike)) / 2

    def gradient(self) -> Array:
        diff = self.diff.copy()
        if self.o["use_logic_gradient"]:
            slope = 1 / (1 + np.exp(-self.x))
            if self.kind != "MSE":
                for n in range(3):
                    slope[:, 8 * n : 8 * n + 2] = self.x[:, 8 * n : 8 * n + 2]
            slope *= 1 - slope
            for n in range(3):
                slope[:, 8 * n + 2 : 8 * n + 4] = 1
            diff *= slope
        return 3 * diff / 2


DEFAULTS: dict[str, float] = {
    "iou_thresh": 0.5, "iou_normalizer": 0.25, "max_delta": 10.0, "accumulate": True,
    "use_logic_gradient": False, "use_focal_loss": False, "label_smooth_eps": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("kind", ["MSE", "IOU", "GIOU", "DIOU", "CIOU"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_logic_gradient": True, "label_smooth_eps": 0.0},
        {"use_focal_loss": True, "iou_thresh": 1.0},
        {"accumulate": False, "max_delta": 0.05, "iou_normalizer": 0.5, "iou_thresh": 0.2},
    ],
)
def test_yolov3(kind: str, options: dict[str, float]) -> None:
    x = random(2, 24, 3, 4).double()
    given = {**DEFAULTS, **options}
    text = " ".join(f"{name}: {str(value).lower()}" for name, value in given.items())
    loss, gradient = run(
        "Yolov3", f"yolov3_param {{ {V3} iou_loss: {kind} {text} }}", [x, LISTED.double()]
    )
    expected = Yolov3(x.numpy(), kind, **given)
    assert loss == pytest.approx(expected.loss(), rel=1e-5)
    np.testing.assert_allclose(gradient, expected.gradient(), atol=1e-5)
