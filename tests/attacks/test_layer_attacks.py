"""Every net of tests/golden damaged, and options and numbers that broke something once."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe import CaffeError
from tests.layers.golden import Case, fed
from tests.layers.pylayers import CONVERTERS
from tests.layers.test_golden import RUN, params
from tests.nets import net

Array = np.ndarray[Any, Any]
Feed = Mapping[str, Array]


NOTHING = float("nan")
FAR = 1e30
ODD = [NOTHING, np.inf, -np.inf, FAR, -FAR, 2.0**31, -1.0, -2.0, 0.0, 0.5, 1e-40, 255.0, 3e38]
NUMBERS = ["0", "-1", "1", "2", "3", "7", "46341", "4294967295", "1e30", "nan", "inf", "-0.5"]


def damaged(text: str, chance: random.Random) -> str:
    """Return ``text`` with one or two numbers changed, or a line left out or doubled."""
    for _ in range(chance.randint(1, 2)):
        place = chance.choice([*re.finditer(r"(?<=: )-?[\d.e+-]+|$", text)])
        text = text[: place.start()] + chance.choice(NUMBERS) * bool(place[0]) + text[place.end() :]
    lines = text.splitlines()
    options = [i for i, line in enumerate(lines) if re.fullmatch(r" +[a-z_]{5,}: [^{}]+", line)]
    if options:
        i = chance.choice(options)
        lines[i : i + 1] = [lines[i]] * chance.choice([0, 1, 1, 1, 2])
    return "\n".join(lines)


def odd(array: Array, chance: random.Random) -> Array:
    """Return ``array`` with some of its numbers changed."""
    flat = array.astype(np.float32).ravel()
    for _ in range(chance.choice([0, 1, 3, flat.size])):
        flat[chance.randrange(flat.size)] = chance.choice(ODD)
    return flat.reshape(array.shape)


@pytest.mark.parametrize("case", params(RUN))
def test_damaged_nets_and_odd_numbers_end_in_blobs_or_an_error_of_ours(
    case: Case, tmp_path: Path
) -> None:
    chance = random.Random(case.name)
    text = (case.folder / "net.prototxt").read_text()
    for attempt in range(4):
        with suppress(CaffeError):
            how = {"phase": case.meta["phase"], "outputs": re.findall(r'top: "(.*)"', text)}
            changed = damaged(text, chance) if attempt else text
            model = net(tmp_path, changed, converters=CONVERTERS, **how)
            if sum(map(math.prod, model.blob_shapes.values())) > 10**6:
                continue
            feed = {blob: np.zeros(shape) for blob, shape in model.inputs.items()}
            given = fed(case, model)
            feed |= {b: a for b, a in given.items() if a.shape == model.inputs[b]}
            model.run({blob: odd(array, chance) for blob, array in feed.items()})


def one(
    kind: str, options: str, *shapes: tuple[int, ...], tops: int = 1
) -> tuple[str, dict[str, Any]]:
    """Return a net of one layer, with what to load it by."""
    inputs = "".join(
        f"layer {{ name: 'i{i}' type: 'Input' top: 'b{i}' input_param {{ shape {{ "
        f"{' '.join(f'dim: {size}' for size in shape)} }} }} }}\n"
        for i, shape in enumerate(shapes)
    )
    bottoms = " ".join(f"bottom: 'b{i}'" for i in range(len(shapes)))
    names = [f"t{i}" for i in range(tops)]
    made = " ".join(f"top: '{name}'" for name in names)
    text = f"{inputs}layer {{ name: 'l' type: '{kind}' {bottoms} {made} {options} }}"
    return text, {"outputs": names}


FLAT = [
    ("ArgMax", 1),
    ("ContrastiveLoss", 3),
    ("HingeLoss", 2),
    ("MultinomialLogisticLoss", 2),
    ("SegAccuracy", 2),
]


@pytest.mark.parametrize(("kind", "bottoms"), FLAT)
def test_one_axis_is_rows_of_one_channel(tmp_path: Path, kind: str, bottoms: int) -> None:
    flat, deep = (
        net(tmp_path, text, **how).run({f"b{i}": np.zeros(shape) for i in range(bottoms)})["t0"]
        for shape in [(3,), (3, 1)]
        for text, how in [one(kind, "", *[shape] * bottoms)]
    )
    np.testing.assert_array_equal(flat.ravel(), deep.ravel())


def test_a_scalar_is_one_row(tmp_path: Path) -> None:
    text, how = one("QuantizationLoss", "", ())
    assert net(tmp_path, text, **how).run({"b0": np.array(1.0)})["t0"] == 0


def test_each_places_loss_has_four_axes_of_one_too(tmp_path: Path) -> None:
    text, how = one("SmoothL1Loss", "loss_weight: 1 loss_weight: 0", (3,), (3,), tops=2)
    model = net(tmp_path, text, **how)
    x = np.ones(3)
    assert model.run({"b0": x, "b1": x})["t1"].shape == model.blob_shapes["t1"] == (3, 1, 1, 1)


def test_a_sigma_of_0_makes_every_error_a_small_one(tmp_path: Path) -> None:
    text, how = one("SmoothL1Loss", "smooth_l1_loss_param { sigma: 0 }", (2, 3, 1, 1), (2, 3, 1, 1))
    model = net(tmp_path, text, **how)
    assert model.run({"b0": np.ones((2, 3, 1, 1)), "b1": np.zeros((2, 3, 1, 1))})["t0"] == 0


ROIS = {
    "ROIPooling": "roi_pooling_param { pooled_h: 2 pooled_w: 2 }",
    "PSROIPooling": "psroi_pooling_param { output_dim: 1 group_size: 2 spatial_scale: 0.5 }",
}


@pytest.mark.parametrize("kind", ROIS)
@pytest.mark.parametrize("wrong", [NOTHING, np.inf, -np.inf, FAR, -FAR])
@pytest.mark.parametrize("place", range(5))
def test_a_roi_that_is_nowhere_is_an_error(
    tmp_path: Path, kind: str, wrong: float, place: int
) -> None:
    text, how = one(kind, ROIS[kind], (2, 4, 6, 6), (2, 5))
    rois = np.array([[0, 0, 0, 4, 4], [1, 1, 1, 5, 5]], np.float32)
    rois[1, place] = wrong
    with pytest.raises(CaffeError, match="roi"):
        net(tmp_path, text, **how).run({"b0": np.ones((2, 4, 6, 6)), "b1": rois})


REGION = "region_loss_param { num: 1 num_class: 2 biases: 1 biases: 2 bias_match: 1 }"


@pytest.mark.parametrize("wrong", [NOTHING, -1, -FAR, -np.inf])
@pytest.mark.parametrize("place", [1, 2])
def test_a_true_box_outside_of_the_picture_is_an_error(
    tmp_path: Path, wrong: float, place: int
) -> None:
    text, how = one("RegionLoss", REGION, (1, 7, 3, 3), (1, 1, 2, 5))
    boxes = np.array([[0, 0.5, 0.5, 0.2, 0.2], [1, 0.2, 0.3, 0.1, 0.1]], np.float32)
    boxes[1, place] = wrong
    with pytest.raises(CaffeError, match="centre"):
        net(tmp_path, text, **how).run({"b0": np.ones((1, 7, 3, 3)), "b1": boxes[None, None]})


EVALUATION = "eval_detection_param { side: 2 num_class: 2 num_object: 5 " + 5 * "biases: 1 "
EVALUATION += "biases: 2 " * 5 + "}"


@pytest.mark.parametrize("label", [NOTHING, -5, 0, 3, 1e9, FAR])
def test_a_true_box_of_no_class_is_not_counted(tmp_path: Path, label: float) -> None:
    text, how = one("EvalDetection", EVALUATION, (1, 35, 2, 2), (1, 1, 2, 8))
    boxes = np.array([[0, 2, 0, 0.1, 0.1, 0.4, 0.4, 0], [0, label, 0, 0.5, 0.5, 0.9, 0.9, 0]])
    top = net(tmp_path, text, **how).run({"b0": np.ones((1, 35, 2, 2)), "b1": boxes[None, None]})
    np.testing.assert_array_equal(top["t0"][0, :2], [0, 1])


def test_labels_of_another_form_are_refused_at_load(tmp_path: Path) -> None:
    text, how = one("EvalDetection", EVALUATION, (1, 35, 2, 2), (1, 1, 2, 7))
    with pytest.raises(CaffeError, match="labels"):
        net(tmp_path, text, **how)


@pytest.mark.parametrize("label", [NOTHING, FAR, np.inf])
def test_a_target_of_no_class_ends_in_an_error_or_ends_the_sequence(
    tmp_path: Path, label: float
) -> None:
    text, how = one("CTCLoss", "", (4, 1, 3), (4, 1), (4, 1))
    feed = {"b0": np.ones((4, 1, 3)), "b1": np.array([[0], [1], [1], [1]])}
    model = net(tmp_path, text, **how)
    feed["b2"] = np.array([[0], [label], [-1], [-1]])
    if np.isnan(label):
        with pytest.raises(CaffeError, match="no number"):
            model.run(feed)
    else:
        assert np.isfinite(model.run(feed)["t0"])


def test_a_stride_that_torchs_gradient_crashes_on_is_refused(tmp_path: Path) -> None:
    options = "convolution_param { num_output: 1 kernel_size: 1 stride: 46341 }"
    with pytest.raises(CaffeError, match="stride"):
        net(tmp_path, *one("Convolution", options, (1, 1, 4, 4))[:1])


@pytest.mark.parametrize("source", ["/dev/zero", "", "nowhere", ".", "a\\000b"])
def test_a_matrix_that_is_no_file_is_an_error(tmp_path: Path, source: str) -> None:
    text, how = one("InfogainLoss", f"infogain_loss_param {{ source: '{source}' }}", (2, 3), (2,))
    with pytest.raises(CaffeError):
        net(tmp_path, text, **how)


@pytest.mark.parametrize(("eps", "phase"), [(0, "TRAIN"), (-1, "TEST"), ("nan", "TEST")])
def test_an_eps_that_a_batchs_variance_cannot_take_is_refused(
    tmp_path: Path, eps: object, phase: str
) -> None:
    text, how = one("BatchNorm", f"batch_norm_param {{ eps: {eps} }}", (2, 3))
    with pytest.raises(CaffeError, match="eps"):
        net(tmp_path, text, phase=phase, **how)


def test_classes_that_cannot_be_counted_against_each_other_are_refused(tmp_path: Path) -> None:
    text, how = one("SegAccuracy", "", (1, 65536, 2, 2), (1, 1, 2, 2))
    with pytest.raises(CaffeError, match="classes"):
        net(tmp_path, text, **how)


def test_targets_of_more_numbers_than_steps_are_refused(tmp_path: Path) -> None:
    text, how = one("CTCLoss", "", (4, 1, 3), (4, 1, 2), (4, 1))
    with pytest.raises(CaffeError, match="targets"):
        net(tmp_path, text, **how)


@pytest.mark.parametrize(("kind", "expected"), [("Scale", 6), ("Bias", 5)])
def test_a_scalar_goes_with_a_scalar(tmp_path: Path, kind: str, expected: float) -> None:
    text, how = one(kind, "", (), ())
    assert net(tmp_path, text, **how).run({"b0": np.array(2), "b1": np.array(3)})["t0"] == expected
