"""The layers that train R-CNN against loops written after py-faster-rcnn's Python.

What is drawn at random is held to its numbers and to what may be drawn; the rest to the loops.
"""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.layers.rcnn_training import AnchorTargetLayer, ProposalTargetLayer
from bigdl_caffe.nn.anchors import base_anchors
from bigdl_caffe.nn.targets import Sampling
from tests.layers.build import layer, random
from tests.layers.test_proposals import overlap
from tests.nets import net

Array = NDArray[np.floating]

TRUE = torch.tensor([[4.0, 6, 40, 50, 3], [30, 20, 75, 60, 1], [60, 0, 78, 20, 7]])
INFO = torch.tensor([[64.0, 80, 1]])
SCORES = torch.zeros(1, 12, 4, 5)
STRIDE = "python_param { param_str: \"{'feat_stride': 16, 'scales': [1, 2]}\" }"


def offsets(box: Array, true: Array) -> list[float]:
    """Return bbox_transform's four numbers."""
    (w, h), (gw, gh) = box[2:] - box[:2] + 1, true[2:4] - true[:2] + 1
    x, y, gx, gy = box[0] + w / 2, box[1] + h / 2, true[0] + gw / 2, true[1] + gh / 2
    return [(gx - x) / w, (gy - y) / h, log(gw / w), log(gh / h)]


def anchor_targets(sampling: Sampling, border: float) -> tuple[Array, Array]:
    """Return each anchor's label before sampling, and its offsets (anchor_target_layer.py)."""
    anchors, true = base_anchors(16, (0.5, 1, 2), (1, 2)).numpy(), TRUE.double().numpy()
    labels, moves = np.full((4, 5, 6), -1.0), np.zeros((4, 5, 6, 4))
    overlaps = np.full((4, 5, 6, len(true)), -1.0)
    for h, w, a in np.ndindex(labels.shape):
        box = anchors[a] + np.array([w, h, w, h]) * 16
        if min(box[:2]) >= -border and box[2] < 80 + border and box[3] < 64 + border:
            overlaps[h, w, a] = [overlap(box, t) for t in true]
            moves[h, w, a] = offsets(box, true[overlaps[h, w, a].argmax()])
    inside, best = overlaps[..., 0] >= 0, overlaps.max(-1)
    labels[inside & (best < sampling.negative[1])] = 0
    labels[(overlaps == overlaps.max((0, 1, 2))).any(-1) & inside] = 1
    labels[best >= sampling.positive] = 1
    return labels, moves


def by_place(blob: Tensor, numbers: int) -> Array:
    """Return (h, w, anchors, numbers) of a top of the layer."""
    return blob.reshape(6, numbers, 4, 5).permute(2, 3, 0, 1).double().numpy()


@pytest.mark.parametrize("border", [0, 8])
def test_anchor_targets(border: int) -> None:
    text = STRIDE.replace("16,", f"16, 'allowed_border': {border},")
    target = layer("rpn.anchor_target_layer.AnchorTargetLayer", text, bottoms=4, tops=4)
    shapes = [tuple(b.shape) for b in (SCORES, TRUE, INFO, SCORES)]
    tops = target.module(shapes)(SCORES, TRUE, INFO, SCORES)
    assert target.top_shapes(shapes) == [tuple(top.shape) for top in tops]
    assert target.top_shapes(shapes) == [(1, 1, 24, 5), *[(1, 24, 4, 5)] * 3]
    labels, moves = anchor_targets(AnchorTargetLayer.SAMPLING, border)
    np.testing.assert_array_equal(by_place(tops[0], 1)[..., 0], labels)
    np.testing.assert_allclose(by_place(tops[1], 4), moves, atol=1e-6)
    inner, outer = (np.repeat(w[..., None], 4, -1) for w in (labels == 1, labels >= 0))
    np.testing.assert_array_equal(by_place(tops[2], 4), inner)
    np.testing.assert_allclose(by_place(tops[3], 4), outer / (labels >= 0).sum(), atol=1e-7)


def test_an_image_smaller_than_all_anchors_teaches_nothing() -> None:
    target = layer("rpn.anchor_target_layer.AnchorTargetLayer", STRIDE, bottoms=4, tops=4)
    info = torch.tensor([[8.0, 8, 1]])
    labels, *rest = target.module([])(SCORES, TRUE, info, SCORES)
    assert (labels == -1).all()
    assert all((blob == 0).all() for blob in rest)


class Sparing(AnchorTargetLayer):
    SAMPLING = replace(AnchorTargetLayer.SAMPLING, batch=12, foreground=0.25, positive=0.3)


def test_anchors_are_drawn_at_random() -> None:
    spec = layer("rpn.anchor_target_layer.AnchorTargetLayer", STRIDE, bottoms=4, tops=4).spec
    module = Sparing(spec).module([])
    labels, _ = anchor_targets(Sparing.SAMPLING, 0)
    assert (labels == 1).sum() > 3

    def draw(seed: int) -> Array:
        torch.manual_seed(seed)
        drawn = by_place(module(SCORES, TRUE, INFO, SCORES)[0], 1)[..., 0]
        assert ((drawn == labels) | (drawn == -1)).all()
        assert ((drawn == 1).sum(), (drawn == 0).sum()) == (3, 9)
        return drawn

    np.testing.assert_array_equal(draw(1), draw(1))
    seen = sum(draw(seed) == 1 for seed in range(200))
    share = seen[labels == 1] / 200
    assert abs(share - 3 / (labels == 1).sum()).max() < 0.15


def rois() -> Tensor:
    """Return rois near the true boxes, and some anywhere."""
    near = TRUE[[0, 0, 1, 1, 2, 2], :4] + random(6, 4) * 3
    some = torch.tensor([[0.0, 0, 20, 20], [50, 40, 79, 63], [30, 0, 45, 12]])
    boxes = torch.cat((near, some))
    return torch.cat((torch.zeros(len(boxes), 1), boxes), 1)


@pytest.mark.parametrize("classes", [9, 2])
def test_proposal_targets(classes: int) -> None:
    text = f"python_param {{ param_str: \"'num_classes': {classes}\" }}"
    target = layer("rpn.proposal_target_layer.ProposalTargetLayer", text, bottoms=2, tops=5)
    tops = target.module([(9, 5), (3, 5)])(rois(), TRUE)
    shapes = target.top_shapes([(9, 5), (3, 5)])
    assert [(1, *top.shape[1:]) for top in tops] == shapes
    drawn, labels, moves, inside, outside = (top.flatten(1) for top in tops)
    labels = labels[:, 0]
    candidates = torch.cat((rois(), torch.cat((torch.zeros(3, 1), TRUE[:, :4]), 1))).numpy()
    expected = {}
    for box in candidates:
        overlaps = [overlap(box[1:], t[:4]) for t in TRUE.numpy()]
        true = TRUE.numpy()[int(np.argmax(overlaps))]
        label = int(true[4]) if max(overlaps) >= 0.5 else 0
        move = np.zeros((classes, 4))
        if label:
            numbers = np.array(offsets(box[1:], true)) / (0.1, 0.1, 0.2, 0.2)
            move[min(label, classes - 1)] = numbers
        expected[tuple(box)] = label, move
    assert sorted(map(tuple, drawn.numpy())) == sorted(expected)
    objects = int((labels > 0).sum())
    assert (labels[:objects] > 0).all()
    for box, label, *rows in zip(drawn.numpy(), labels, moves, inside, outside, strict=True):
        wanted, move = expected[tuple(box)]
        assert label == wanted
        np.testing.assert_allclose(rows[0], move.ravel(), rtol=1e-4, atol=1e-4)
        weight = np.zeros((classes, 4))
        weight[min(wanted, classes - 1)] = wanted > 0
        assert all((row.numpy() == weight.ravel()).all() for row in rows[1:])


class Eight(ProposalTargetLayer):
    SAMPLING = Sampling(8, 0.25)


class All(ProposalTargetLayer):
    SAMPLING = Sampling(None)


@pytest.mark.parametrize(("cls", "numbers"), [(Eight, (2, 3)), (All, (9, 3))])
def test_rois_are_drawn_at_random(cls: type[ProposalTargetLayer], numbers: tuple[int, int]) -> None:
    text = "python_param { param_str: 'num_classes: 9' }"
    spec = layer("rpn.proposal_target_layer.ProposalTargetLayer", text, bottoms=2, tops=5).spec
    module = cls(spec).module([])
    torch.manual_seed(3)
    first, labels, *_ = module(rois(), TRUE)
    assert ((labels > 0).sum(), (labels == 0).sum()) == numbers
    torch.manual_seed(3)
    torch.testing.assert_close(module(rois(), TRUE)[0], first)
    assert any(not torch.equal(module(rois(), TRUE)[0], first) for _ in range(5))


@pytest.mark.parametrize(
    ("boxes", "true", "match"),
    [
        (torch.ones(2, 5), TRUE, "several images"),
        (torch.zeros(2, 5), TRUE[:0], "no true box"),
        (rois(), TRUE + 5, "class 12"),
    ],
)
def test_proposal_targets_refuse(boxes: Tensor, true: Tensor, match: str) -> None:
    text = "python_param { param_str: \"'num_classes': 9\" }"
    target = layer("rpn.proposal_target_layer.ProposalTargetLayer", text, bottoms=2, tops=5)
    with pytest.raises(ShapeError, match=match):
        target.module([])(boxes, true)


@pytest.mark.parametrize(
    ("kind", "options", "blobs", "match"),
    [
        ("rpn.anchor_target_layer.AnchorTargetLayer", "", (4, 4), "feat_stride"),
        ("rpn.proposal_target_layer.ProposalTargetLayer", "", (2, 5), "num_classes"),
        ("roi_data_layer.layer.RoIDataLayer", "", (0, 3), "num_classes"),
    ],
)
def test_what_has_to_be_given(kind: str, options: str, blobs: tuple[int, int], match: str) -> None:
    with pytest.raises(ShapeError, match=match):
        layer(kind, options, *blobs)


def test_anchor_targets_take_one_image() -> None:
    target = layer("rpn.anchor_target_layer.AnchorTargetLayer", STRIDE, bottoms=4, tops=4)
    with pytest.raises(ShapeError, match="one image"):
        target.top_shapes([(2, 12, 4, 5), (3, 5), (2, 3), (2, 3, 64, 80)])


@pytest.mark.parametrize(("tops", "rank"), [(3, [4, 2, 2]), (6, [4, 2, 1, 2, 2, 2])])
def test_data_has_one_shape_a_top(tops: int, rank: list[int]) -> None:
    text = "python_param { param_str: \"'num_classes': 21\" }"
    data = layer("roi_data_layer.layer.RoIDataLayer", text, bottoms=0, tops=tops)
    assert [len(shape) for shape in data.top_shapes([])] == rank


RPN = """
layer { name: "input" type: "Python" top: "data" top: "im_info" top: "gt_boxes" python_param {
  module: "roi_data_layer.layer" layer: "RoIDataLayer" param_str: "'num_classes': 9" } }
layer { name: "scores" type: "Convolution" bottom: "data" top: "scores" convolution_param {
  num_output: 12 kernel_size: 16 stride: 16 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "moves" type: "Convolution" bottom: "data" top: "moves" convolution_param {
  num_output: 24 kernel_size: 16 stride: 16 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "targets" type: "Python" bottom: "scores" bottom: "gt_boxes" bottom: "im_info"
  bottom: "data" top: "labels" top: "wanted" top: "inside" top: "outside" python_param {
  module: "rpn.anchor_target_layer" layer: "AnchorTargetLayer"
  param_str: "{'feat_stride': 16, 'scales': [1, 2]}" } }
layer { name: "loss" type: "EuclideanLoss" bottom: "moves" bottom: "wanted" top: "loss" }
"""


def test_in_a_net_that_trains(tmp_path: Path) -> None:
    model = net(tmp_path, RPN, phase="TRAIN", input_shapes={"data": (1, 3, 64, 80)})
    module = model.to_torch()
    feed = {"data": random(1, 3, 64, 80), "im_info": INFO, "gt_boxes": TRUE}
    tops = module(feed, ["loss", "labels"])
    tops["loss"].backward()
    assert set(tops["labels"].unique().tolist()) == {-1, 0, 1}
    moves, scores = model.params["moves"][0].grad, model.params["scores"][0].grad
    assert moves is not None
    assert moves.abs().sum() > 0
    assert scores is None  # nothing goes back through the targets
