"""YOLO's losses, values and gradients, against loops written after the forks' sources."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from bigdl_caffe.errors import CaffeError, ShapeError
from tests.layers.build import layer, random
from tests.layers.test_yolo import box_at, overlap, sigmoid, softmax
from tests.nets import net

Array = NDArray[np.floating]
BIASES = [1.08, 1.19, 3.42, 2.41, 1.63, 2.38]

# Two images. In the first, the third box lies in the second one's place and has its shape, and
# the fourth has no x, at which one of the forks' two passes stops. The fifth has no width.
LISTED = torch.zeros(2, 1, 8, 5)
LISTED[0, 0, :5] = torch.tensor(
    [
        [1, 0.30, 0.30, 0.30, 0.20],
        [2, 0.70, 0.55, 0.60, 0.55],
        [0, 0.72, 0.60, 0.62, 0.53],
        [1, 0.00, 0.90, 0.25, 0.20],
        [1, 0.50, 0.50, 0.00, 0.20],
    ]
)
LISTED[1, 0, :1] = torch.tensor([[2, 0.55, 0.20, 0.30, 0.45]])


def run(kind: str, options: str, blobs: list[Tensor]) -> tuple[float, Array]:
    """Return the loss, and the gradient to the first bottom with 3 from above."""
    module = layer(kind, options, bottoms=len(blobs)).module([tuple(b.shape) for b in blobs])
    x = blobs[0].clone().requires_grad_()
    loss = module(x, *blobs[1:])
    (gradient,) = torch.autograd.grad(loss, x, torch.tensor(3.0, dtype=x.dtype))
    assert loss.shape == ()
    return loss.item(), gradient.numpy()


def truths(labels: Array, stop: int) -> list[Array]:
    """Return an image's boxes up to one whose column ``stop`` is 0."""
    boxes = []
    for row in labels.reshape(-1, 5):
        if row[stop] == 0:
            break
        boxes.append(row)
    return boxes


# --- RegionLoss ---------------------------------------------------------------------------

REGION = f"""num_class: 3 num: 3 object_scale: 5 noobject_scale: 0.7 class_scale: 1.2
    coord_scale: 0.9 thresh: 0.35 {" ".join(f"biases: {b}" for b in BIASES)}"""


def region(
    x: Array,
    seen: list[list[Array]],
    used: list[list[Array]],
    rescore: bool,
    match: bool,
    focal: bool,
) -> Array:
    """Return diff_ of region_loss_layer.cpp; boxes are (class, x, y, width, height)."""
    diff, side = np.zeros_like(x), x.shape[3]
    for b in range(len(x)):
        for j, i, n in np.ndindex(side, side, 3):
            own = x[b, 8 * n : 8 * n + 8]
            box = box_at(own, i, j, (BIASES[2 * n], BIASES[2 * n + 1]), (side, side))
            best = max([0.0, *(overlap(box, list(t[1:])) for t in seen[b])])
            p = sigmoid(own[4, j, i])
            diff[b, 8 * n + 4, j, i] = 0 if best > 0.35 else 0.7 * p * p * (1 - p)
        for label, *t in used[b]:
            i, j = int(t[0] * side), int(t[1] * side)
            anchors = [[0, 0, BIASES[2 * n] / side, BIASES[2 * n + 1] / side] for n in range(3)]
            if not match:
                anchors = [
                    [
                        0,
                        0,
                        *box_at(
                            x[b, 8 * n :], i, j, (BIASES[2 * n], BIASES[2 * n + 1]), (side, side)
                        )[2:],
                    ]
                    for n in range(3)
                ]
            n = int(np.argmax([overlap(a, [0, 0, *t[2:]]) for a in anchors]))
            own, out = x[b, 8 * n : 8 * n + 8, j, i], diff[b, 8 * n : 8 * n + 8, j, i]
            box = box_at(x[b, 8 * n :], i, j, (BIASES[2 * n], BIASES[2 * n + 1]), (side, side))
            scale = 0.9 if rescore or focal else 0.9 * (2 - t[2] * t[3])
            for k, (c, at) in enumerate(zip(t[:2], (i, j), strict=True)):
                s = sigmoid(own[k])
                off = c * side - at - s
                out[k] = -scale * (min(max(off, -1), 1) if focal else off) * s * (1 - s)
                off = log(t[2 + k] * side / BIASES[2 * n + k]) - own[2 + k]
                out[2 + k] = -scale * (min(max(off, -1), 1) if focal else off)
            p, wanted = sigmoid(own[4]), overlap(box, t) if rescore else 1
            short = 2 * (1 - p) ** 3 if focal else wanted - p
            out[4] = -5 * short * p * (1 - p)
            out[5:] = 1.2 * (softmax(own[5:]) - np.eye(3)[int(label)])
    return diff


@pytest.mark.parametrize("rescore", [0, 1])
@pytest.mark.parametrize("match", [0, 1])
def test_region_loss(rescore: int, match: int) -> None:
    x = random(2, 24, 4, 4).double()
    options = f"region_loss_param {{ {REGION} rescore: {rescore} bias_match: {match} }}"
    loss, gradient = run("RegionLoss", options, [x, LISTED.double()])
    label = LISTED.double().numpy()
    seen, used = ([truths(image, stop) for image in label] for stop in (1, 3))
    diff = region(x.numpy(), seen, used, bool(rescore), bool(match), focal=False)
    assert loss == pytest.approx((diff**2).sum() / 2, rel=1e-5)
    np.testing.assert_allclose(gradient, 3 * diff / 2, atol=1e-5)


def test_region_loss_of_intel() -> None:
    x = random(3, 24, 4, 4).double() * 2
    options = f"region_loss_param {{ {REGION} }}"
    boxes = [
        [[1, *LISTED[0, 0, 0, 1:].tolist()], [2, *LISTED[0, 0, 1, 1:].tolist()]],
        [],
        [[0, 0.4, 0.6, 0.5, 0.3]],
    ]
    rows = [
        [n, label + 1, 0, x_ - w / 2, y - h / 2, x_ + w / 2, y + h / 2, 0]
        for n in (2, 0)
        for label, x_, y, w, h in boxes[n]
    ]
    labels = torch.tensor([*rows, [-1.0] * 8], dtype=torch.float64)[None, None]
    loss, gradient = run("RegionLoss", options, [x, labels])
    used = [[np.array(row) for row in image] for image in boxes]
    diff = region(x.numpy(), used, used, rescore=True, match=True, focal=True)
    assert loss == pytest.approx((diff**2).sum(), rel=1e-5)
    np.testing.assert_allclose(gradient, 3 * diff / 3, atol=1e-5)


# --- YoloSeg ------------------------------------------------------------------------------


def test_yolo_seg() -> None:
    x, labels = random(2, 3, 4, 5), (random(2, 3, 4, 5).flip(1) > 0.3).float()
    counts = labels.sum((2, 3))
    loss, gradient = run("YoloSeg", "yolo_seg_param { object_scale: 0.7 }", [x, labels, counts])
    diff = np.zeros(x.shape)
    for n, c, h, w in np.ndindex(*x.shape):
        there = counts[:, c].sum()
        weight = 2 - there / (2 * 20 - there) if labels[n, c, h, w] else 1
        diff[n, c, h, w] = 0.7 * weight * (sigmoid(x[n, c, h, w]) - labels[n, c, h, w])
    assert loss == pytest.approx((diff**2).sum() / 2, rel=1e-5)
    np.testing.assert_allclose(gradient, 3 * diff / 2, atol=1e-6)


# --- refusals, and a net ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        ("RegionLoss", "region_loss_param { softmax_tree: 'tree.txt' }", "softmax_tree"),
        ("RegionLoss", "region_loss_param { coords: 5 }", "coords"),
        ("RegionLoss", "region_loss_param { num: 3 biases: 1 }", "biases"),
        ("Yolov3", "yolov3_param { num: 3 mask: 0 biases: 1 biases: 2 }", "mask"),
        ("Yolov3", "yolov3_param { num: 1 mask: 4 biases: 1 biases: 2 }", "mask"),
        ("Yolov3", "yolov3_param { num: 1 mask: 0 biases: 1 biases: 2 anchors_scale: 0 }", "scale"),
    ],
)
def test_refused(kind: str, options: str, match: str) -> None:
    with pytest.raises(CaffeError, match=match):
        layer(kind, options, bottoms=2)


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 24, 4, 4), (1, 1, 300, 5)],
        [(2, 24, 4, 4), (2, 1, 300, 4)],
        [(2, 25, 4, 4), (2, 1, 300, 5)],
        [(2, 24, 4, 5), (2, 1, 300, 5)],
    ],
)
def test_shapes_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ShapeError):
        layer("RegionLoss", f"region_loss_param {{ {REGION} }}", bottoms=2).top_shapes(shapes)


def test_shapes_of_segmentations_refused() -> None:
    with pytest.raises(ShapeError, match="counts"):
        layer("YoloSeg", bottoms=3).top_shapes([(2, 3, 4, 5), (2, 3, 4, 5), (2, 4)])


def test_in_a_net_that_trains(tmp_path: Path) -> None:
    text = f"""
    input: "x" input_shape {{ dim: 2 dim: 3 dim: 4 dim: 4 }}
    input: "label" input_shape {{ dim: 2 dim: 1 dim: 8 dim: 5 }}
    layer {{ name: "map" type: "Convolution" bottom: "x" top: "map" convolution_param {{
      num_output: 24 kernel_size: 1 weight_filler {{ type: "gaussian" std: 0.5 }} }} }}
    layer {{ name: "loss" type: "RegionLoss" bottom: "map" bottom: "label" top: "loss"
      region_loss_param {{ {REGION} }} }}"""
    model = net(tmp_path, text, phase="TRAIN")
    tops = model.to_torch()({"x": random(2, 3, 4, 4), "label": LISTED}, ["map", "loss"])
    tops["map"].retain_grad()
    tops["loss"].backward()
    _, gradient = run(
        "RegionLoss", f"region_loss_param {{ {REGION} }}", [tops["map"].detach(), LISTED]
    )
    assert tops["map"].grad is not None
    np.testing.assert_allclose(3 * tops["map"].grad, gradient, rtol=1e-5, atol=1e-6)
