"""Folding keeps the numbers, and leaves alone what it cannot keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe import Model
from bigdl_caffe.graph.fold import HOSTS, fold
from tests.compare import assert_close_to_caffe
from tests.nets import net
from tests.saving import saved_again

INPUT = 'input: "x" input_shape { dim: 2 dim: 4 dim: 7 dim: 6 } '
NORM = 'layer { name: "bn" type: "BatchNorm" bottom: "h" top: "h" } '
SCALE = 'layer { name: "s" type: "Scale" bottom: "h" top: "y" scale_param { bias_term: true } } '
BIAS = 'layer { name: "b" type: "Bias" bottom: "y" top: "y" } '
RELU = 'layer { name: "r" type: "ReLU" bottom: "y" top: "y" }'
CONV = (
    'layer { name: "h" type: "Convolution" bottom: "x" top: "h" '
    "convolution_param { num_output: 4 kernel_size: 3 } } "
)


def host(kind: str, options: str) -> str:
    ends = f'name: "h" type: "{kind}" bottom: "x" top: "h"'
    return f"layer {{ {ends} {HOSTS[kind][0]} {{ {options} }} }} "


def trained(folder: Path, text: str, **how: Any) -> Model:
    """Return a net whose blobs are what training may leave: any weights, positive variances."""
    model = net(folder, text, **how)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for blobs in model.params.values():
            for i, blob in enumerate(blobs):
                numbers = rng.normal(size=blob.shape)
                low = len(blobs) == 3 and i  # BatchNorm's variance and factor
                blob.copy_(torch.from_numpy(np.abs(numbers) + 0.5 if low else numbers))
    return model


def check(model: Model, folder: Path, left: list[str]) -> Model:
    """Fail unless the folded net has only the layers ``left``, and gives the same numbers."""
    again = saved_again(model, folder, fold=True)
    assert [x.name for x in again.net.layers if x.type != "Input"] == left
    assert again.outputs == model.outputs
    rng = np.random.default_rng(1)
    feed = {b: rng.normal(size=shape).astype(np.float32) for b, shape in model.inputs.items()}
    ours, theirs = again.run(feed), model.run(feed)
    for blob, numbers in theirs.items():
        assert_close_to_caffe(ours[blob], numbers, what=blob)
    return again


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("Convolution", "num_output: 6 kernel_size: 3"),
        ("Convolution", "num_output: 6 kernel_size: 3 group: 2 bias_term: false"),
        ("ConvolutionDepthwise", "num_output: 4 kernel_size: 3"),
        ("DepthwiseConvolution", "num_output: 4 kernel_size: 3 group: 4 bias_term: false"),
        ("Deconvolution", "num_output: 6 kernel_size: 3 stride: 2"),
        ("Deconvolution", "num_output: 6 kernel_size: 3 group: 2 bias_term: false"),
        ("InnerProduct", "num_output: 5"),
        ("InnerProduct", "num_output: 5 transpose: true bias_term: false"),
    ],
)
def test_all_three_fold_into_any_host(kind: str, options: str, tmp_path: Path) -> None:
    model = trained(tmp_path, INPUT + host(kind, options) + NORM + SCALE + BIAS + RELU)
    again = check(model, tmp_path, ["h", "r"])
    assert [tuple(b.shape) for b in again.params["h"]][1:] == [(again.blob_shapes["y"][1],)]


@pytest.mark.parametrize("behind", [NORM, SCALE.replace('"y"', '"h"'), BIAS.replace('"y"', '"h"')])
def test_each_folds_alone(behind: str, tmp_path: Path) -> None:
    check(trained(tmp_path, INPUT + CONV + behind), tmp_path, ["h"])


def test_a_chain_of_many(tmp_path: Path) -> None:
    second = NORM.replace('"bn"', '"bn2"') + SCALE.replace(
        "bias_term: true", "num_axes: 1 axis: -3"
    )
    check(trained(tmp_path, INPUT + CONV + NORM + second + RELU), tmp_path, ["h", "r"])


def test_v1_can_hold_what_is_folded(tmp_path: Path) -> None:
    model = trained(tmp_path, INPUT + CONV + NORM + SCALE + RELU)
    again = saved_again(model, tmp_path, use_v2=False, fold=True)
    feed = {"x": np.ones((2, 4, 7, 6), np.float32)}
    assert_close_to_caffe(again.run(feed)["y"], model.run(feed)["y"])


LEFT = {
    "read by others": CONV + NORM.replace('top: "h"', 'top: "n"')
    + 'layer { name: "o" type: "ReLU" bottom: "h" top: "o" }',
    "another axis": CONV + SCALE.replace("bias_term: true", "axis: 2"),
    "several axes": CONV + SCALE.replace("bias_term: true", "num_axes: 2"),
    "a second bottom": CONV + 'layer { name: "s" type: "Bias" bottom: "h" bottom: "h" top: "y" '
    "bias_param { axis: 0 } }",
    "the batch's statistics": CONV
    + NORM.replace('top: "h"', 'top: "h" batch_norm_param { use_global_stats: false }'),
    "a shared weight": CONV.replace('top: "h"', 'top: "h" param { name: "w" }') + NORM
    + CONV.replace('"h"', '"h2"').replace('top: "h2"', 'top: "h2" param { name: "w" }'),
    "outputs of another axis": 'layer { name: "h" type: "InnerProduct" bottom: "x" top: "h" '
    "inner_product_param { num_output: 4 axis: 2 } } " + NORM,
    "no host": NORM.replace('bottom: "h"', 'bottom: "x"'),
}  # fmt: skip


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT)
def test_what_does_not_fold_is_left(text: str, tmp_path: Path) -> None:
    model = trained(tmp_path, INPUT + text)
    blobs = {n: [b.detach().numpy() for b in own] for n, own in model.params.items()}
    folded = fold(model.net, blobs)
    assert (folded.definition, folded.blobs, folded.gone) == (model.net.definition, {}, set())


def test_what_the_caller_fetches_is_left(tmp_path: Path) -> None:
    text = INPUT + CONV + NORM.replace('top: "h"', 'top: "n"')
    model = trained(tmp_path, text, outputs=["h", "n"])
    assert "bn" in saved_again(model, tmp_path, fold=True).params


def test_what_a_dropped_loss_reads_is_left(tmp_path: Path) -> None:
    text = INPUT + CONV + NORM.replace('top: "h"', 'top: "n"')
    text += 'layer { name: "l" type: "EuclideanLoss" bottom: "h" bottom: "n" }'
    assert "bn" in saved_again(trained(tmp_path, text), tmp_path, fold=True).params


def test_factors_that_are_no_numbers_are_left(tmp_path: Path) -> None:
    model = trained(tmp_path, INPUT + CONV + NORM)
    with torch.no_grad():
        model.params["bn"][1][0] = -5
    assert "bn" in saved_again(model, tmp_path, fold=True).params


def test_a_factor_of_0_means_no_statistics(tmp_path: Path) -> None:
    model = trained(tmp_path, INPUT + CONV + NORM)
    with torch.no_grad():
        model.params["bn"][2].zero_()
    check(model, tmp_path, ["h"])


def test_nothing_given_is_changed(tmp_path: Path) -> None:
    model = trained(tmp_path, INPUT + CONV + NORM + SCALE)
    blobs = {n: [b.detach().numpy().copy() for b in own] for n, own in model.params.items()}
    before = model.net.definition.SerializeToString()
    folded = fold(model.net, blobs)
    assert folded.gone == {"bn", "s"}
    assert model.net.definition.SerializeToString() == before
    for name, own in model.params.items():
        for now, then in zip(own, blobs[name], strict=True):
            assert np.array_equal(now.detach().numpy(), then)
