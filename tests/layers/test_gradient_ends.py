"""Bottoms at which a gradient ends without an error: what `Layer.drops_gradient` says is so."""

from __future__ import annotations

import pytest
import torch

from bigdl_caffe.layers.registry import registry
from tests.layers.build import filled, layer

MEANFIELD = """multi_stage_meanfield_param { theta_alpha: 5 theta_beta: 2 theta_gamma: 3
    num_iterations: 2 }"""
YOLOV3 = """yolov3_detection_output_param { num_classes: 1 num_box: 1 biases: 1 biases: 1 mask: 0
    mask_group_num: 1 anchors_scale: 1 }"""
STRIDE = """python_param { param_str: "{'feat_stride': 16}" }"""
CLASSES = """python_param { param_str: "{'num_classes': 2}" }"""

CASES = {
    "BoxAnnotatorOHEM": (
        "box_annotator_ohem_param { roi_per_img: 1 }",
        [(4, 5, 1, 1), (4, 1, 1, 1), (4, 1, 1, 1), (4, 8, 1, 1)],
        2,
    ),
    "ContinuationIndicator": ("continuation_indicator_param { time_step: 2 }", [(2, 3)], 1),
    "Crop": ("", [(1, 2, 4, 4), (1, 2, 3, 3)], 1),
    "Interp": ("", [(1, 2, 4, 4), (1, 2, 6, 6)], 1),
    "MultiStageMeanfield": (MEANFIELD, [(1, 2, 4, 5), (1, 2, 4, 5), (1, 3, 4, 5)], 1),
    "PSROIPooling": (
        "psroi_pooling_param { spatial_scale: 1 output_dim: 1 group_size: 2 }",
        [(1, 4, 6, 6), (2, 5)],
        1,
    ),
    "PriorBox": ("prior_box_param { min_size: 8 }", [(1, 2, 3, 3), (1, 3, 9, 9)], 1),
    "ROIPooling": ("roi_pooling_param { pooled_h: 2 pooled_w: 2 }", [(1, 4, 6, 6), (2, 5)], 1),
    "Region": ("region_param { classes: 2 coords: 4 num: 1 }", [(1, 7, 2, 2)], 1),
    "Reorg": ("reorg_param { stride: 2 }", [(1, 4, 4, 4)], 1),
    "SVRLoss": ("", [(3, 4), (3, 4)], 1),
    "SimpleCrop": ("", [(1, 2, 4, 4), (1, 2, 3, 3)], 1),
    "SmoothL1Loss": ("", [(3, 4)] * 4, 1),
    "SmoothL1LossOHEM": ("", [(3, 4)] * 3, 1),
    "Unpooling": ("pooling_param { kernel_size: 2 stride: 2 }", [(1, 2, 3, 3)] * 2, 1),
    "Upsample": ("", [(1, 2, 3, 3)] * 2, 1),
    "Yolov3DetectionOutput": (YOLOV3, [(1, 6, 2, 2)], 1),
    "pyLayer.DiceLoss": ("", [(1, 2, 4), (1, 1, 4)], 1),
    "rpn.anchor_target_layer.AnchorTargetLayer": (
        STRIDE,
        [(1, 18, 3, 3), (2, 5), (1, 3), (1, 3, 48, 48)],
        4,
    ),
    "rpn.proposal_layer.ProposalLayer": (STRIDE, [(1, 18, 2, 2), (1, 36, 2, 2), (1, 3)], 1),
    "rpn.proposal_target_layer.ProposalTargetLayer": (CLASSES, [(3, 5), (2, 5)], 5),
}
"""Type → options, shapes of the bottoms, number of tops."""


def test_each_type_that_says_so_is_here() -> None:
    types = registry().items()
    assert set(CASES) == {name for name, cls in types if cls.drops_gradient and name[0] != "~"}


@pytest.mark.parametrize("kind", CASES)
def test_a_gradient_ends_at_these_bottoms_and_no_others(kind: str) -> None:
    options, shapes, tops = CASES[kind]
    rule = layer(kind, options, len(shapes), tops)
    torch.manual_seed(0)
    bottoms = [torch.rand(shape) for shape in shapes]
    for rois in (x for x in bottoms if x.shape[1:] == (5,)):
        rois[:, 0] = 0  # the image
    for x in bottoms:
        x.requires_grad_()
    blobs = [torch.rand(spec.shape) for spec in rule.blob_specs(shapes)]
    made = filled(rule, shapes, blobs)(*bottoms)
    top = sum((x * torch.rand_like(x)).sum() for x in ([made] if tops == 1 else made))
    assert isinstance(top, torch.Tensor)
    if top.requires_grad:
        top.backward()
    reached = [i for i, x in enumerate(bottoms) if x.grad is not None and x.grad.any()]
    assert reached == [i for i in range(len(shapes)) if i not in rule.drops_gradient]
    assert not set(rule.drops_gradient) & set(rule.no_gradient_to())
