"""Region proposals against loops written after the forks' sources."""

from __future__ import annotations

from math import exp
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from bigdl_caffe.errors import CaffeError, ShapeError, UnsupportedLayerError
from bigdl_caffe.layers.proposals import ProposalLayer
from bigdl_caffe.nn.anchors import base_anchors
from bigdl_caffe.nn.proposals import Selection
from tests.layers.build import layer, random
from tests.nets import net

Array = NDArray[np.floating]

MATLABS = """-83 -39 100 56 -175 -87 192 104 -359 -183 376 200 -55 -55 72 72 -119 -119 136 136
-247 -247 264 264 -35 -79 52 96 -79 -167 96 184 -167 -343 184 360"""


def test_anchors_are_those_of_the_paper() -> None:
    expected = np.array(MATLABS.split(), float).reshape(9, 4) - 1  # MATLAB's first pixel is 1
    np.testing.assert_array_equal(base_anchors(16, (0.5, 1, 2), (8, 16, 32)), expected)


@pytest.mark.parametrize(("half_up", "height"), [(False, 6), (True, 7)])
def test_halves_round_to_even_in_python_and_up_in_c(half_up: bool, height: int) -> None:
    _, y1, _, y2 = base_anchors(9, (0.5,), (1,), half_up)[0].tolist()
    assert y2 - y1 + 1 == height  # half of a width of 13


def area(b: Array) -> float:
    return float((b[2] - b[0] + 1) * (b[3] - b[1] + 1))


def overlap(a: Array, b: Array) -> float:
    w = max(min(a[2], b[2]) - max(a[0], b[0]) + 1, 0)
    h = max(min(a[3], b[3]) - max(a[1], b[1]) + 1, 0)
    return float(w * h / (area(a) + area(b) - w * h))


def proposals(
    scores: Array, offsets: Array, info: Array, anchors: Array, stride: int, select: Selection
) -> Array:
    """Return (image, x1, y1, x2, y2, score) of proposal_layer.py, or .cpp where small ones stay."""
    found: list[list[float]] = []
    for n, (score, offset, size) in enumerate(zip(scores, offsets, info, strict=True)):
        boxes = []
        for h, w, a in np.ndindex(*scores.shape[2:], len(anchors)):
            x1, y1, x2, y2 = anchors[a] + np.array([w, h, w, h]) * stride
            dx, dy, dw, dh = offset[4 * a : 4 * a + 4, h, w]
            wide, tall = x2 - x1 + 1, y2 - y1 + 1
            x, y = dx * wide + x1 + wide / 2, dy * tall + y1 + tall / 2
            half = exp(dw) * wide / 2, exp(dh) * tall / 2
            corners = [x - half[0], y - half[1], x + half[0], y + half[1]]
            limits = [size[1] - 1, size[0] - 1] * 2
            box = [max(min(c, limit), 0) for c, limit in zip(corners, limits, strict=True)]
            least = select.min_size * size[2], select.min_size * size[-1]
            fits = box[3] - box[1] + 1 >= least[0] and box[2] - box[0] + 1 >= least[1]
            if fits or not select.drop_small:
                boxes.append([n, *box, score[len(anchors) + a, h, w] * fits])
        boxes.sort(key=lambda b: -b[5])
        kept: list[list[float]] = []
        for candidate in boxes[: select.before]:
            b = np.array(candidate[1:5])
            if len(kept) < select.after and all(
                overlap(np.array(k[1:5]), b) <= select.threshold for k in kept
            ):
                kept.append(candidate)
        found += kept
    return np.array(found).reshape(-1, 6)


def bottoms(anchors: int, images: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Return scores, offsets and sizes: the second image is smaller and was scaled."""
    scores = random(images, 2 * anchors, 4, 5).sigmoid()
    offsets = random(images, 4 * anchors, 4, 5) * 0.3
    return scores, offsets, torch.tensor([[64.0, 80, 1], [50, 60, 1.5]])[:images]


class Few(ProposalLayer):
    """ProposalLayer that gives few proposals, as a user would say it."""

    SELECT: ClassVar = {"TEST": Selection(30, 7, 0.6, 16), "TRAIN": Selection(60, 12, 0.7, 16)}


@pytest.mark.parametrize("phase", ["TEST", "TRAIN"])
def test_proposals_of_python(phase: str) -> None:
    text = "python_param { param_str: \"'feat_stride': 16 \\n'scales': !!python/tuple [1, 2]\" }"
    spec = layer("rpn.proposal_layer.ProposalLayer", text, bottoms=3, tops=2).spec
    few = Few(spec, phase)
    blobs = bottoms(6)
    rois, scores = few.module([b.shape for b in blobs])(*blobs)
    anchors = base_anchors(16, (0.5, 1, 2), (1, 2)).numpy()
    expected = proposals(*(b.numpy() for b in blobs), anchors, 16, Few.SELECT[phase])
    assert scores.shape == (len(rois), 1)
    assert 0 < len(rois) == len(expected)
    np.testing.assert_allclose(torch.cat((rois, scores), 1), expected, rtol=1e-5, atol=1e-4)
    assert few.top_shapes([tuple(b.shape) for b in blobs]) == [(1, 5), (1, 1, 1, 1)]


def test_one_row_of_sizes_is_every_images() -> None:
    few = Few(layer("rpn.proposal_layer.ProposalLayer", STRIDE, bottoms=3, tops=1).spec, "TEST")
    scores, offsets, info = bottoms(9)
    module = few.module([])
    one, both = module(scores, offsets, info[:1]), module(scores, offsets, info[[0, 0]])
    torch.testing.assert_close(one, both)


STRIDE = "python_param { param_str: \"{'feat_stride': 16}\" }"


@pytest.mark.parametrize("scales", [(1.0,), (1.0, 1.25)])
def test_proposals_of_c(scales: tuple[float, ...]) -> None:
    options = """proposal_param { ratio: 0.5 ratio: 1 scale: 1 scale: 2 base_size: 16
        feat_stride: 16 pre_nms_topn: 40 post_nms_topn: 25 nms_thresh: 0.5 min_size: 24 }"""
    proposal = layer("Proposal", options, bottoms=3, tops=2)
    scores, offsets, info = bottoms(4)
    info = torch.cat((info[:, :2], torch.tensor(scales).expand(2, -1)), 1)
    blobs = scores, offsets, info
    rois, kept = proposal.module([b.shape for b in blobs])(*blobs)
    anchors = base_anchors(16, (0.5, 1), (1, 2)).numpy()
    select = Selection(40, 25, 0.5, 24, drop_small=False)
    expected = proposals(*(b.numpy() for b in blobs), anchors, 16, select)
    assert kept.shape == (len(rois),)
    assert (kept == 0).any()
    np.testing.assert_allclose(torch.cat((rois, kept[:, None]), 1), expected, rtol=1e-5, atol=1e-4)
    assert proposal.top_shapes([tuple(b.shape) for b in blobs]) == [(50, 5), (50,)]


def test_no_box_is_large_enough() -> None:
    spec = layer("rpn.proposal_layer.ProposalLayer", STRIDE, bottoms=3, tops=2).spec
    scores, offsets, _ = bottoms(9)
    rois, kept = Few(spec).module([])(scores, offsets, torch.tensor([[10.0, 10, 1]]))
    assert (rois.shape, kept.shape) == ((0, 5), (0, 1))


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        ("Proposal", "proposal_param { scale: 8 ratio: 1 score_thresh: 0.5 }", "score_thresh"),
        ("Proposal", "proposal_param { scale: 8 }", "0 ratios"),
        ("Proposal", "proposal_param { scale: -8 ratio: 1 }", "positive"),
        ("Proposal", "proposal_param { scale: 8 ratio: 1 post_nms_topn: 0 }", "at least 1"),
        ("rpn.proposal_layer.ProposalLayer", "", "feat_stride"),
        ("rpn.proposal_layer.ProposalLayer", "python_param { param_str: '16' }", "param_str"),
        ("rpn.proposal_layer.ProposalLayer", "python_param { param_str: 'a: 1' }", "'a'"),
    ],
)
def test_proposals_refuse(kind: str, options: str, match: str) -> None:
    with pytest.raises(CaffeError, match=match):
        layer(kind, options, bottoms=3)


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, 18, 4, 5), (1, 36, 4, 4), (1, 3)],
        [(1, 9, 4, 5), (1, 36, 4, 5), (1, 3)],
        [(2, 18, 4, 5), (2, 36, 4, 5), (3, 3)],
        [(2, 18, 4, 5), (2, 36, 4, 5), (2, 2)],
        [(18,), (36,), (3,)],
    ],
)
def test_proposals_refuse_shapes(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ShapeError):
        layer("rpn.proposal_layer.ProposalLayer", STRIDE, bottoms=3).top_shapes(shapes)


RPN = """
input: "scores" input_shape { dim: 1 dim: 18 dim: 4 dim: 5 }
input: "offsets" input_shape { dim: 1 dim: 36 dim: 4 dim: 5 }
input: "im_info" input_shape { dim: 1 dim: 3 }
input: "map" input_shape { dim: 1 dim: 2 dim: 4 dim: 5 }
layer { name: "proposal" type: "Python" bottom: "scores" bottom: "offsets" bottom: "im_info"
  top: "rois" python_param { module: "rpn.proposal_layer" layer: "ProposalLayer"
  param_str: "'feat_stride': 16" } }
layer { name: "pool" type: "ROIPooling" bottom: "map" bottom: "rois" top: "pool"
  roi_pooling_param { pooled_w: 2 pooled_h: 2 spatial_scale: 0.0625 } }
"""


def test_in_a_net(tmp_path: Path) -> None:
    model = net(tmp_path, RPN)
    scores, offsets, info = bottoms(9, images=1)
    feed = {"scores": scores, "offsets": offsets, "im_info": info, "map": random(1, 2, 4, 5)}
    got = model.run({k: v.numpy() for k, v in feed.items()}, ["rois", "pool"])
    assert 1 < len(got["rois"]) == len(got["pool"]) <= 300


def test_in_a_net_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedLayerError, match=r"'proposal'.*anchor_size"):
        net(tmp_path, RPN.replace("'feat_stride': 16", "'feat_stride': 16 \\n'anchor_size': 3"))
