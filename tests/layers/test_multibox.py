"""SSD's loss beyond the golden cases: every option, value and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.layers.registry import Layer
from tests.compare import assert_close_to_caffe
from tests.layers.build import layer
from tests.layers.multibox_loops import MultiBox
from tests.layers.ssd_blobs import CLASSES, PRIORS, N, bottoms, refinement

LOSSES = [
    "",
    "code_type: CENTER_SIZE mining_type: NONE",
    "code_type: CENTER_SIZE mining_type: NONE conf_loss_type: LOGISTIC",
    "mining_type: NONE share_location: false",
    "mining_type: NONE share_location: false conf_loss_type: LOGISTIC"
    " use_prior_for_matching: false",
    "mining_type: NONE conf_loss_type: LOGISTIC background_label_id: 9 use_difficult_gt: false",
    "code_type: CENTER_SIZE conf_loss_type: LOGISTIC loc_loss_type: L2 loc_weight: 0.3",
    "code_type: CORNER_SIZE use_prior_for_matching: false overlap_threshold: 0.2",
    "code_type: CENTER_SIZE bp_inside: true overlap_threshold: 0.1",
    "bp_inside: true use_prior_for_matching: false encode_variance_in_target: true",
    "mining_type: HARD_EXAMPLE sample_size: 9 conf_loss_type: LOGISTIC match_type: BIPARTITE",
    "mining_type: HARD_EXAMPLE sample_size: 9 nms_param { nms_threshold: 0.5 top_k: 15 }",
    "nms_param { nms_threshold: 0.3 top_k: -1 } use_prior_for_nms: true neg_overlap: 0.3",
    "nms_param { nms_threshold: 0.3 }",
    "ignore_cross_boundary_bbox: true mining_type: HARD_EXAMPLE code_type: CENTER_SIZE",
    "neg_pos_ratio: 0.7 overlap_threshold: 0.25 code_type: CENTER_SIZE",
]


def losses(
    options: str, more: str, blobs: list[Tensor], classes: int = CLASSES
) -> tuple[Layer, list[Tensor]]:
    """Return the layer, and its loss with both gradients."""
    text = f"{more} multibox_loss_param {{ num_classes: {classes} {options} }}"
    built = layer("MultiBoxLoss", text, len(blobs), phase="TRAIN")
    loc, conf = (b.clone().requires_grad_() for b in blobs[:2])
    assert built.top_shapes([tuple(b.shape) for b in blobs]) == [()]
    loss = built.module([])(loc, conf, *blobs[2:])
    return built, [loss, *torch.autograd.grad(loss, (loc, conf))]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("options", LOSSES)
def test_losses_are_those_of_the_loops(options: str, seed: int) -> None:
    kinds = CLASSES if "share_location: false" in options else 1
    blobs = bottoms(seed, kinds, truth=True)
    built, got = losses(options, "", blobs)
    expected = MultiBox([b.numpy() for b in blobs], built.param)  # type: ignore[attr-defined]  # MultiBoxLoss's own
    for ours, loops in zip(got, (expected.loss, expected.dloc, expected.dconf), strict=True):
        assert_close_to_caffe(ours.detach().flatten(), np.ravel(loops))


@pytest.mark.parametrize("mode", ["FULL", "BATCH_SIZE", "NONE", "VALID"])
@pytest.mark.parametrize("propagate", [(True, False), (False, True)])
def test_the_parts_and_what_they_are_divided_by(mode: str, propagate: tuple[bool, bool]) -> None:
    blobs = bottoms(5, truth=True)
    more = " ".join(f"propagate_down: {str(p).lower()}" for p in (*propagate, False, False))
    built, got = losses("", f"{more} loss_param {{ normalization: {mode} }}", blobs)
    expected = MultiBox([b.numpy() for b in blobs], built.param, mode, propagate)  # type: ignore[attr-defined]  # MultiBoxLoss's own
    for ours, loops in zip(got, (expected.loss, expected.dloc, expected.dconf), strict=True):
        assert_close_to_caffe(ours.detach().flatten(), np.ravel(loops))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("options", ["", "encode_variance_in_target: true mining_type: NONE"])
def test_refinedets_loss_is_that_of_the_loops(options: str, seed: int) -> None:
    blobs = bottoms(seed, truth=True) + refinement(seed)
    built, got = losses(f"code_type: CENTER_SIZE {options}", "", blobs)
    expected = MultiBox([b.numpy() for b in blobs], built.param)  # type: ignore[attr-defined]  # MultiBoxLoss's own
    for ours, loops in zip(got, (expected.loss, expected.dloc, expected.dconf), strict=True):
        assert_close_to_caffe(ours.detach().flatten(), np.ravel(loops))


@pytest.mark.parametrize("kind", ["SOFTMAX", "LOGISTIC"])
def test_all_objects_can_be_one_class(kind: str) -> None:
    blobs = bottoms(6, truth=True)
    blobs[1] = blobs[1].view(N, PRIORS, CLASSES)[..., :2].reshape(N, -1)
    options = f"map_object_to_agnostic: true mining_type: NONE conf_loss_type: {kind}"
    built, got = losses(options, "", blobs, classes=2)
    expected = MultiBox([b.numpy() for b in blobs], built.param)  # type: ignore[attr-defined]  # MultiBoxLoss's own
    assert_close_to_caffe(got[0].detach(), expected.loss)
    assert_close_to_caffe(got[2].flatten(), expected.dconf.ravel())


def test_a_batch_without_objects_has_no_loss() -> None:
    blobs = bottoms(7, truth=True)
    blobs[3][..., 0] = -1
    _, (loss, dloc, dconf) = losses("", "", blobs)
    assert loss == 0
    assert not dloc.any()
    assert not dconf.any()


@pytest.mark.parametrize("label", [0.0, CLASSES, -2.0])
def test_a_label_that_is_none_is_refused(label: float) -> None:
    blobs = bottoms(8, truth=True)
    blobs[3][0, 0, 1, 1] = label
    with pytest.raises(CaffeError, match=f"label {int(label)}"):
        losses("", "", blobs)
