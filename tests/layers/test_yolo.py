"""YOLO's layers for scoring against loops written after the forks' sources."""

from __future__ import annotations

from math import exp
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeError, ShapeError, UnsupportedLayerError
from tests.layers.build import layer, random
from tests.nets import net

Array = NDArray[np.floating]
Box = list[float]


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    return e / e.sum()


# --- Reorg and Region ---------------------------------------------------------------------


def reorg(x: Array, stride: int, reverse: bool) -> Array:
    """Return reorg_cpu's flat memory."""
    _, c_, h_, w_ = x.shape
    channels, flat, top = c_ // stride**2, x.ravel(), np.zeros(x.size)
    for n, c, h, w in np.ndindex(x.shape):
        small = w + w_ * (h + h_ * (c + c_ * n))
        offset, c2 = c // channels, c % channels
        w2, h2 = w * stride + offset % stride, h * stride + offset // stride
        large = w2 + w_ * stride * (h2 + h_ * stride * (c2 + channels * n))
        if reverse:
            top[large] = flat[small]
        else:
            top[small] = flat[large]
    return top


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("reverse", [False, True])
def test_reorg(stride: int, reverse: bool) -> None:
    x = random(2, 2 * stride**2, 2 * stride, stride).requires_grad_()
    options = f"reorg_param {{ stride: {stride} reverse: {str(reverse).lower()} }}"
    layer_ = layer("Reorg", options)
    top = layer_.module([tuple(x.shape)])(x)
    assert [tuple(top.shape)] == layer_.top_shapes([tuple(x.shape)])
    np.testing.assert_array_equal(
        top.detach().numpy().ravel(), reorg(x.detach().numpy(), stride, reverse)
    )
    top.sum().backward()  # type: ignore[no-untyped-call]  # torch does not type it
    assert x.grad is not None
    assert not x.grad.any()  # the forks' backward pass reads what nothing wrote


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 4, 5, 4), (4, 4)])
def test_reorg_refuses(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        layer("Reorg", "reorg_param { stride: 2 }").top_shapes([shape])
    with pytest.raises(ShapeError, match="stride"):
        layer("Reorg")


def test_region() -> None:
    x = random(2, 2 * 8, 3, 4)
    region = layer("Region", "region_param { classes: 3 coords: 4 num: 2 }")
    assert region.top_shapes([tuple(x.shape)]) == [tuple(x.shape)]
    top, expected = region.module([x.shape])(x), x.double().numpy().copy()
    for n, a, h, w in np.ndindex(2, 2, 3, 4):
        for c in (0, 1, 4):
            expected[n, 8 * a + c, h, w] = sigmoid(expected[n, 8 * a + c, h, w])
        own = slice(8 * a + 5, 8 * a + 8)
        expected[n, own, h, w] = softmax(expected[n, own, h, w])
    np.testing.assert_allclose(top, expected, atol=1e-6)


def test_region_of_another_fork_is_refused() -> None:
    with pytest.raises(UnsupportedLayerError, match="boxes_of_each_grid"):
        layer("Region", "region_param { classes: 3 boxes_of_each_grid: 5 }")


# --- detections ---------------------------------------------------------------------------

BIASES = [1.08, 1.19, 3.42, 4.41, 2.63, 1.38]


def area(low: Box, high: Box) -> float:
    return max(high[0] - low[0], 0) * max(high[1] - low[1], 0)


def overlap(a: Box, b: Box, clip: bool = False) -> float:
    """Return the overlap of two boxes by centre and size."""
    ends = [
        [[c - s / 2, c + s / 2] for c, s in zip(box[:2], box[2:], strict=True)] for box in (a, b)
    ]
    if clip:
        ends = [[[max(low, 0), min(high, 1)] for low, high in box] for box in ends]
    (ax, ay), (bx, by) = ends
    low, high = [max(ax[0], bx[0]), max(ay[0], by[0])], [min(ax[1], bx[1]), min(ay[1], by[1])]
    both = area(low, high)
    one, two = (area([e[0] for e in box], [e[1] for e in box]) for box in ends)
    return both / (one + two - both)


def box_at(x: Array, i: int, j: int, bias: tuple[float, float], unit: tuple[float, float]) -> Box:
    """Return get_region_box; ``unit`` is what the biases' boxes are shares of."""
    size = x.shape[1:]
    return [
        (i + sigmoid(x[0, j, i])) / size[1],
        (j + sigmoid(x[1, j, i])) / size[0],
        exp(x[2, j, i]) * bias[0] / unit[0],
        exp(x[3, j, i]) * bias[1] / unit[1],
    ]


def kept(found: list[tuple[int, float, Box]], threshold: float, clip: bool = False) -> list[int]:
    """Return the places of what survives, best first."""
    order = sorted(range(len(found)), key=lambda i: -found[i][1])
    keep: list[int] = []
    for i in order:
        if all(overlap(found[k][2], found[i][2], clip) < threshold for k in keep):
            keep.append(i)
    return keep


def yolo2(x: Array, classes: int, least: float) -> list[tuple[int, float, Box]]:
    """Return class, score and box of the predictions in one image's map."""
    found = []
    each = len(x) // 3
    for j, i, n in np.ndindex(*x.shape[1:], 3):
        own = x[n * each : (n + 1) * each]
        share = softmax(own[5 : 5 + classes, j, i])
        score = sigmoid(own[4, j, i]) * share.max()
        if score >= least:
            bias = BIASES[2 * n], BIASES[2 * n + 1]
            found.append((int(share.argmax()), score, box_at(own, i, j, bias, x.shape[1:])))
    return found


def rows(
    images: list[list[tuple[int, float, Box]]],
    threshold: float,
    corners: bool = True,
    first: int = 1,
    clip: bool = False,
) -> Array:
    """Return the detections of a batch."""
    out = []
    for image, found in enumerate(images):
        for i in kept(found, threshold, clip):
            label, score, (x, y, w, h) = found[i]
            box = [x - w / 2, y - h / 2, x + w / 2, y + h / 2] if corners else [x, y, w, h]
            out.append([image, label + first, score, *box])
    return np.array(out).reshape(1, 1, -1, 7)


OPTIONS = f"num_classes: 4 num_box: 3 {' '.join(f'biases: {b}' for b in BIASES)}"


@pytest.mark.parametrize("each", [9, 11])  # the last two channels of an anchor are not read
def test_yolo_detections(each: int) -> None:
    one, two = random(2, 3 * each, 4, 4), random(2, 3 * each, 2, 2).flip(1)
    options = (
        f"yolo_detection_output_param {{ {OPTIONS} confidence_threshold: 0.2 nms_threshold: 0.4 }}"
    )
    output = layer("YoloDetectionOutput", options, bottoms=2)
    shapes = [tuple(one.shape), tuple(two.shape)]
    assert output.top_shapes(shapes) == [(1, 1, 1, 7)]
    top = output.module(shapes)(one, two)
    maps = [
        yolo2(one[n].double().numpy(), 4, 0.2) + yolo2(two[n].double().numpy(), 4, 0.2)
        for n in range(2)
    ]
    expected = rows(maps, 0.4)
    assert len(maps[0]) + len(maps[1]) > expected.shape[2] > 2
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ssd", [None, False, True])
def test_yolo_detections_of_the_other_fork(ssd: bool | None) -> None:
    x, picture = random(2, 27, 4, 4), random(2, 3, 32, 32)
    more = "" if ssd is None else f"ssd_format: {str(ssd).lower()}"
    options = f"{OPTIONS} confidence_threshold: 0.2 nms_threshold: 0.3 {more}"
    output = layer("YoloDetectionOutput", f"yolo_detection_output_param {{ {options} }}", bottoms=2)
    shapes = [tuple(x.shape), tuple(picture.shape)]
    output.top_shapes(shapes)
    top = output.module(shapes)(x, picture)
    maps = [yolo2(image.double().numpy(), 4, 0.2) for image in x]
    expected = rows(maps, 0.3, corners=bool(ssd), first=int(bool(ssd)), clip=True)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


def test_without_detections() -> None:
    x = torch.full((2, 27, 4, 4), -5.0)
    none = f"yolo_detection_output_param {{ {OPTIONS} confidence_threshold: 1"
    top = layer("YoloDetectionOutput", f"{none} }}").module([(2, 27, 4, 4)])(x)
    assert top.tolist() == [[[[0, *[-1] * 6], [1, *[-1] * 6]]]]
    top = layer("YoloDetectionOutput", f"{none} ssd_format: true }}").module([(2, 27, 4, 4)])(x)
    assert top.shape == (1, 1, 0, 7)


def test_yolov3_detections() -> None:
    one, two = random(2, 2 * 8, 3, 4), random(2, 2 * 8, 6, 8).flip(0)
    biases = [10, 14, 23, 27, 37, 58, 81, 82]
    options = f"""yolov3_detection_output_param {{ num_classes: 3 num_box: 2 mask_group_num: 2
        {" ".join(f"biases: {b}" for b in biases)} mask: 2 mask: 3 mask: 0 mask: 1
        anchors_scale: 32 anchors_scale: 16 confidence_threshold: 0.45 nms_threshold: 0.5 }}"""
    output = layer("Yolov3DetectionOutput", options, bottoms=2)
    shapes = [tuple(one.shape), tuple(two.shape)]
    assert output.top_shapes(shapes) == [(1, 1, 1, 7)]
    images: list[list[tuple[int, float, Box]]] = [[], []]
    for x, mask, scale in ((one, (2, 3), 32), (two, (0, 1), 16)):
        unit = x.shape[3] * scale, x.shape[2] * scale
        for n, j, i, k in np.ndindex(2, *x.shape[2:], 2):
            own = x[n, 8 * k : 8 * k + 8].double().numpy()
            bias = biases[2 * mask[k]], biases[2 * mask[k] + 1]
            for c in range(3):
                score = sigmoid(own[4, j, i]) * sigmoid(own[5 + c, j, i])
                if score > 0.45:
                    images[n].append((c, score, box_at(own, i, j, bias, unit)))
    top, expected = output.module(shapes)(one, two), rows(images, 0.5)
    assert len(images[0]) + len(images[1]) > expected.shape[2] > 4
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        ("Yolov3DetectionOutput", "num_classes: 3 gaussian_box: true", "gaussian_box"),
        ("Yolov3DetectionOutput", "biases: 1", "num_classes"),
        ("Yolov3DetectionOutput", "num_classes: 3 mask_group_num: 2", "mask_group_num"),
        (
            "Yolov3DetectionOutput",
            "num_classes: 3 mask_group_num: 1 anchors_scale: 8 mask: 0 mask: 1 mask: 9 biases: 3",
            "mask",
        ),
        ("YoloDetectionOutput", "num_classes: 3", "biases"),
        ("YoloDetectionOutput", f"{OPTIONS} coords: 5", "coords"),
        ("YoloDetectionOutput", f"{OPTIONS} angle: 5", "angle"),
    ],
)
def test_detections_refuse(kind: str, options: str, match: str) -> None:
    param = "yolov3_detection_output_param" if "v3" in kind else "yolo_detection_output_param"
    with pytest.raises(CaffeError, match=match):
        layer(kind, f"{param} {{ {options} }}")


@pytest.mark.parametrize("shape", [(1, 26, 4, 4), (1, 24, 4, 4), (1, 27, 4, 5), (27,)])
def test_detections_refuse_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        layer("YoloDetectionOutput", f"yolo_detection_output_param {{ {OPTIONS} }}").top_shapes(
            [shape]
        )


NET = f"""
input: "map" input_shape {{ dim: 2 dim: 27 dim: 4 dim: 4 }}
layer {{ name: "out" type: "YoloDetectionOutput" bottom: "map" top: "out"
  yolo_detection_output_param {{ {OPTIONS} confidence_threshold: 0.2 }} }}
"""


def test_in_a_net(tmp_path: Path) -> None:
    x = random(2, 27, 4, 4)
    out = net(tmp_path, NET).run({"map": x.numpy()})["out"]
    expected = rows([yolo2(image.double().numpy(), 4, 0.2) for image in x], 0.45)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


def test_in_a_net_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"'out'.*27"):
        net(tmp_path, NET.replace("dim: 27", "dim: 26"))
