"""SSD's layers beyond the golden cases: options, batches, odd scores, refusals, whole nets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from tests.compare import assert_close_to_caffe
from tests.layers import ssd_loops
from tests.layers.build import filled, layer
from tests.layers.ssd_blobs import CLASSES, bottoms, boxes, refinement
from tests.nets import net


@pytest.mark.parametrize(
    ("option", "image"),
    [("img_size: 50", (50, 50)), ("img_h: 40 img_w: 60", (60, 40)), ("", (80, 30))],
)
def test_priors_are_shares_of_the_image(option: str, image: tuple[int, int]) -> None:
    built = layer(
        "PriorBox", f"prior_box_param {{ min_size: 10.9 {option} step_h: 5 step_w: 9 }}", 2
    )
    x, data = torch.zeros(1, 3, 2, 4), torch.zeros(1, 3, 30, 80)
    priors = built.module([(1, 3, 2, 4), (1, 3, 30, 80)])(x, data)
    assert tuple(priors.shape) == built.top_shapes([(1, 3, 2, 4), (1, 3, 30, 80)])[0]
    second = np.array([8.5, -2.5, 18.5, 7.5]) / np.tile(image, 2)
    assert_close_to_caffe(priors[0, 0, 4:8], second)
    assert (priors[0, 1] == 0.1).all()


def test_an_aspect_ratio_is_taken_once() -> None:
    options = "min_size: 8 min_size: 4 aspect_ratio: 2 aspect_ratio: 0.5 aspect_ratio: 1"
    built = layer("PriorBox", f"prior_box_param {{ {options} }}", 2)
    assert built.top_shapes([(1, 3, 1, 1), (1, 3, 9, 9)]) == [(1, 2, 2 * 3 * 4)]


@pytest.mark.parametrize("shared", ["true", "false"])
def test_normalize_takes_two_axes_too(shared: str) -> None:
    built = layer("Normalize", f"norm_param {{ channel_shared: {shared} }}")
    (blob,) = built.blob_specs([(2, 3)])
    x = torch.tensor([[3.0, 0, 4], [0, 0, 0]])
    top = filled(built, [(2, 3)], [torch.full(blob.shape, 10.0)])(x)
    assert_close_to_caffe(top.detach(), [[6, 0, 8], [0, 0, 0]])


@pytest.mark.parametrize("kind", ["L1", "L2"])
def test_a_normalize_param_makes_it_happynears(kind: str) -> None:
    built = layer("Normalize", f'normalize_param {{ normalize_type: "{kind}" }}', tops=2)
    assert built.blob_specs([(2, 3)]) == []
    assert built.top_shapes([(2, 3)]) == [(2, 3, 1, 1), (2, 1, 1, 1)]
    x = torch.tensor([[3.0, 0, -4], [0, 0, 0]], requires_grad=True)
    top, norm = built.module([(2, 3)])(x)
    assert_close_to_caffe(
        norm.flatten().tolist(), [{"L1": 7, "L2": 5}[kind], {"L1": 1e-6, "L2": 1e-3}[kind]]
    )
    assert_close_to_caffe(top[0].flatten().tolist(), (x[0] / norm[0, 0, 0, 0]).tolist())
    assert not norm.requires_grad


SELECTIONS = [
    "",
    "code_type: CENTER_SIZE nms_param { top_k: 7 } keep_top_k: 6",
    "code_type: CORNER_SIZE variance_encoded_in_target: true",
    "code_type: CENTER_SIZE variance_encoded_in_target: true nms_param { nms_threshold: 0 }",
    "code_type: CENTER_SIZE share_location: false background_label_id: -1 keep_top_k: 11",
    "share_location: false background_label_id: 2 nms_param { nms_threshold: 0.9 eta: 0.9 }",
    "background_label_id: 9 nms_param { top_k: -1 } keep_top_k: 0",
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("options", SELECTIONS)
def test_detections_are_those_of_the_loops(options: str, seed: int) -> None:
    text = f"num_classes: {CLASSES} confidence_threshold: 0.2 {options}"
    built = layer("DetectionOutput", f"detection_output_param {{ {text} }}", 3)
    blobs = bottoms(seed, kinds=CLASSES if "share_location: false" in options else 1)
    got = built.module([tuple(b.shape) for b in blobs])(*blobs)
    expected = ssd_loops.detection_output(*[b.numpy() for b in blobs], built.param)  # type: ignore[attr-defined]  # DetectionOutput's own
    assert_close_to_caffe(got[0, 0], expected)


@pytest.mark.parametrize("seed", range(3))
def test_refinedets_detections_are_those_of_moved_priors(seed: int) -> None:
    text = f"num_classes: {CLASSES} confidence_threshold: 0.2 code_type: CENTER_SIZE"
    built = layer("DetectionOutput", f"detection_output_param {{ {text} }}", 5)
    blobs = bottoms(seed) + refinement(seed)
    got = built.module([tuple(b.shape) for b in blobs])(*blobs)[0, 0]
    loc, conf, prior, objects, moves = (b.numpy().copy() for b in blobs)
    expected = []
    for i in range(len(loc)):
        moved, (priors, variances) = prior.copy(), prior[0].reshape(2, -1, 4)
        offsets = moves[i].reshape(-1, 4) * variances
        pairs = zip(priors, offsets, strict=True)
        moved[0, 0] = np.ravel([ssd_loops.decode(p, o, built.param.code_type) for p, o in pairs])  # type: ignore[attr-defined]  # DetectionOutput's own
        conf[i].reshape(-1, CLASSES)[objects[i, 1::2] < 0.01, 1:] = 0
        rows = ssd_loops.detection_output(loc[i : i + 1], conf[i : i + 1], moved, built.param)  # type: ignore[attr-defined]  # DetectionOutput's own
        rows[:, 0] = i
        expected.append(rows)
    assert_close_to_caffe(got, np.concatenate(expected))


def test_an_image_without_detections_among_others_has_no_row() -> None:
    built = layer(
        "DetectionOutput",
        f"detection_output_param {{ num_classes: {CLASSES} confidence_threshold: 0.5 }}",
        3,
    )
    loc, conf, prior = bottoms(0)
    conf[1] = 0
    images = built.module([])(loc, conf, prior)[0, 0, :, 0]
    assert set(images.tolist()) == {0, 2}


def test_the_bottoms_stay_as_they_are() -> None:
    built = layer("DetectionOutput", f"detection_output_param {{ num_classes: {CLASSES} }}", 3)
    blobs = [b[:1] for b in bottoms(0)]
    before = [b.clone() for b in blobs]
    built.module([])(*blobs)
    assert all(torch.equal(b, a) for b, a in zip(blobs, before, strict=True))


def test_nan_is_no_score() -> None:
    built = layer(
        "DetectionOutput", "detection_output_param { num_classes: 2 nms_param { top_k: 1 } }", 3
    )
    prior = torch.tensor([[0, 0, 0.1, 0.1, 0.5, 0.5, 0.6, 0.6], [0.1] * 8])[None]
    conf = torch.tensor([[0, torch.nan, 0, 0.5]])
    rows = built.module([])(torch.zeros(1, 8), conf, prior)
    assert_close_to_caffe(rows[0, 0], [[0, 1, 0.5, 0.5, 0.5, 0.6, 0.6]])


@pytest.mark.parametrize("difficult", ["true", "false"])
@pytest.mark.parametrize("seed", range(4))
def test_evaluation_is_that_of_the_loops(seed: int, difficult: str) -> None:
    text = f"num_classes: {CLASSES} overlap_threshold: 0.3 evaluate_difficult_gt: {difficult}"
    built = layer("DetectionEvaluate", f"detection_evaluate_param {{ {text} }}", 2)
    rng = np.random.default_rng(seed)
    truth = np.concatenate(
        (
            rng.integers(0, 3, (12, 1)),
            rng.integers(1, 4, (12, 1)),
            np.zeros((12, 1)),
            boxes(rng, 12),
            rng.integers(0, 2, (12, 1)),
        ),
        1,
    )
    truth[10, 0] = -1
    near = truth[rng.integers(0, 10, 30)]
    near[:, 2] = rng.random(30)
    near[:, 3:7] += rng.normal(0, 0.05, (30, 4))
    near[:5, 0], found = 3, near[:, :7]
    found[-1, 1:] = -1
    got = built.module([])(torch.tensor(found[None, None]), torch.tensor(truth[None, None]))
    expected = ssd_loops.detection_evaluate(found, truth, built.param)  # type: ignore[attr-defined]  # DetectionEvaluate's own
    assert_close_to_caffe(got[0, 0], expected)
    assert got[..., 3].max() == 1


SSD = """
input: "x" input_shape { dim: 2 dim: 3 dim: 8 dim: 8 }
input: "gt" input_shape { dim: 1 dim: 1 dim: 2 dim: 8 }
layer { name: "loc" type: "Convolution" bottom: "x" top: "loc"
        convolution_param { num_output: 8 kernel_size: 4 stride: 4
                            weight_filler { type: "xavier" } } }
layer { name: "conf" type: "Convolution" bottom: "x" top: "conf"
        convolution_param { num_output: 6 kernel_size: 4 stride: 4
                            weight_filler { type: "xavier" } } }
layer { name: "locp" type: "Permute" bottom: "loc" top: "locp"
        permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "confp" type: "Permute" bottom: "conf" top: "confp"
        permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "locf" type: "Flatten" bottom: "locp" top: "locf" }
layer { name: "conff" type: "Flatten" bottom: "confp" top: "conff" }
layer { name: "prior" type: "PriorBox" bottom: "loc" bottom: "x" top: "prior"
        prior_box_param { min_size: 3 max_size: 5 } }
layer { name: "loss" type: "MultiBoxLoss" bottom: "locf" bottom: "conff" bottom: "prior"
        bottom: "gt" top: "loss" include { phase: TRAIN } multibox_loss_param { num_classes: 3 } }
layer { name: "det" type: "DetectionOutput" bottom: "locf" bottom: "conff" bottom: "prior"
        top: "det" include { phase: TEST } detection_output_param { num_classes: 3 keep_top_k: 4 } }
layer { name: "eval" type: "DetectionEvaluate" bottom: "det" bottom: "gt" top: "eval"
        include { phase: TEST } detection_evaluate_param { num_classes: 3 } }
"""


def test_a_net_trains(tmp_path: Path) -> None:
    module = net(tmp_path, SSD, phase="TRAIN").to_torch()
    feed = {
        "x": torch.rand(2, 3, 8, 8),
        "gt": torch.tensor([[0, 1, 0, 0.1, 0.1, 0.6, 0.6, 0], [1, 2, 0, 0.5, 0.5, 0.9, 0.8, 0]])[
            None, None
        ],
    }
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    seen = []
    for _ in range(20):
        loss = module(feed, ["loss"])["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    assert seen[-1] < seen[0] / 2


def test_a_net_is_scored_and_evaluated(tmp_path: Path) -> None:
    assert net(tmp_path, SSD).outputs == ("det",)
    model = net(tmp_path, SSD, outputs=["det", "eval"])
    feed = {"x": np.ones((2, 3, 8, 8)), "gt": np.array([[[[0, 1, 0, 0, 0, 1, 1, 0.0]] * 2]])}
    got = model.run(feed)
    assert got["det"].shape == (1, 1, 8, 7)
    assert got["eval"].shape == (1, 1, 10, 5)


REFUSED = [
    ("Normalize", 1, "normalize_param { normalize_type: 'L3' }", "L1 or L2"),
    ("Normalize", 1, "norm_param { axis: 2 }", "another fork"),
    ("PriorBox", 2, "prior_box_param { min_size: 1 density: 2 }", "another fork"),
    ("PriorBox", 2, "prior_box_param { }", "min_size"),
    ("PriorBox", 2, "prior_box_param { min_size: 0 }", "min_size"),
    ("PriorBox", 2, "prior_box_param { min_size: nan }", "min_size"),
    ("PriorBox", 2, "prior_box_param { min_size: 1 max_size: inf }", "max_size"),
    ("PriorBox", 2, "prior_box_param { min_size: 1 max_size: 2 max_size: 3 }", "one each"),
    ("PriorBox", 2, "prior_box_param { min_size: 1 variance: 1 variance: 2 }", "variance"),
    ("PriorBox", 2, "prior_box_param { min_size: 1 img_h: 3 }", "give both"),
    ("PriorBox", 2, "prior_box_param { min_size: 1 step: 3 step_w: 2 step_h: 2 }", "either"),
    ("PriorBox", 2, "prior_box_param { min_size: 1 aspect_ratio: -2 }", "aspect_ratio"),
    ("DetectionOutput", 3, "", "num_classes"),
    (
        "DetectionOutput",
        3,
        "detection_output_param { num_classes: 2 background_label_id: -1 }",
        "-1",
    ),
    ("DetectionOutput", 3, "detection_output_param { num_classes: 2 nms_param { eta: 0 } }", "eta"),
    ("DetectionOutput", 3, "detection_output_param { num_classes: 2 clip: true }", "another fork"),
    ("MultiBoxLoss", 4, "", "num_classes"),
    ("MultiBoxLoss", 6, "multibox_loss_param { num_classes: 2 nms_param { } }", "RefineDet"),
    ("MultiBoxLoss", 4, "multibox_loss_param { num_classes: 2 do_neg_mining: false }", "mining"),
    ("MultiBoxLoss", 4, "multibox_loss_param { num_classes: 2 share_location: false }", "NONE"),
    (
        "MultiBoxLoss",
        4,
        "multibox_loss_param { num_classes: 2 background_label_id: 2 }",
        "background",
    ),
    ("MultiBoxLoss", 4, "multibox_loss_param { num_classes: 3 map_object_to_agnostic: true }", "2"),
    ("MultiBoxLoss", 4, "multibox_loss_param { num_classes: 2 ignore_difficult_gt: true }", "fork"),
    ("DetectionEvaluate", 2, "", "num_classes"),
    (
        "DetectionEvaluate",
        2,
        "detection_evaluate_param { num_classes: 2 name_size_file: 'f' }",
        "pixels",
    ),
]


@pytest.mark.parametrize(("kind", "count", "options", "reason"), REFUSED)
def test_what_caffe_refuses_is_refused(kind: str, count: int, options: str, reason: str) -> None:
    with pytest.raises((ShapeError, UnsupportedLayerError), match=reason):
        layer(kind, options, count)


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 84), (2, 60), (1, 2, 80)],
        [(2, 80), (2, 61), (1, 2, 80)],
        [(2, 80), (3, 60), (1, 2, 80)],
        [(2, 80), (2, 60), (1, 1, 80)],
        [(2, 80, 2), (2, 60), (1, 2, 80)],
    ],
)
def test_blobs_that_do_not_go_with_each_other_are_refused(shapes: list[tuple[int, ...]]) -> None:
    built = layer("DetectionOutput", "detection_output_param { num_classes: 3 }", 3)
    with pytest.raises(ShapeError):
        built.top_shapes(shapes)
    with pytest.raises(ShapeError):
        layer("PriorBox", "prior_box_param { min_size: 1 }", 2).top_shapes([(1,) * 5, (1,) * 4])
