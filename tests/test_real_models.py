"""Real trained models from the wild give the numbers that real Caffe gave."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from bigdl_caffe import CaffeError, Layer, Model
from bigdl_caffe.graph.ir import Shape
from tests.compare import assert_close_to_caffe
from tests.paths import SHARED, needs_models

MODELS = SHARED / "models"
pytestmark = needs_models

NAMES = [
    "aizoo_face_mask",
    "cifar10_full",
    "cifar10_quick",
    "deeplandmark_1_F",
    "hyperlpr_finemapping_v1",
    "hyperlpr_mininet_ssd",
    "lenet_gc",
    "mobilenet_yolov3_lite_tusimple",
    "mtcnn_det1",
    "mtcnn_det2",
    "mtcnn_det3",
    "old_v0_lenet",
    "old_v1_cifar10_full",
    "open_nsfw_resnet50_1by2",
    "squeezenet_v1.0_dc",
    "ultraface_slim320",
    "waifu2x_upconv7_scale2x",
    "wechat_qr_detect",
    "wechat_qr_sr",
    "yufacedetect_v1",
]
TRAINING = {
    "arm_cifar10_m4": (1, 3, 32, 32),
    "lenet_compress": (1, 1, 28, 28),
    "cifar10_full_ternary": (1, 3, 32, 32),
}
"""Models whose prototxt reads a database; Caffe ran a derived one, which ends in a softmax."""
OTHERWISE = {"bigdl_test", "bigdl_test_persist", "hyperlpr_finemapping_v2", *TRAINING}
OTHERWISE |= {"waifu2x_upresnet10_scale2x"}
IMAGES = {
    "hyperlpr_mininet_ssd": (12, 1e-3),  # OpenCV does not cut its priors' 51.2 pixels to 51
    "wechat_qr_detect": (0, 1e-4),
    "yufacedetect_v1": (41, 1e-4),
}
"""Nets with detections that OpenCV ran on an image: how many it found, and how near we are."""


def _load(name: str, prototxt: str = "deploy.prototxt", **how: Any) -> Model:
    return Model.load_caffe_model(
        MODELS / name / prototxt, MODELS / name / "weights.caffemodel", **how
    )


def _golden(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    with np.load(MODELS / name / "caffe_io.npz") as io:
        feed = {k[3:]: v for k, v in io.items() if k.startswith("in/")}
        return feed, {k[4:]: v for k, v in io.items() if k.startswith("out/")}


def _check(model: Model, name: str) -> None:
    feed, outs = _golden(name)
    for blob, ours in model.run(feed, list(outs)).items():
        assert_close_to_caffe(ours, outs[blob], what=blob)


def _opencv(name: str, file: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what went in and what came out of a net's one input and one output."""
    with np.load(MODELS / name / file) as io:
        (fed,) = (a for key, a in io.items() if key.startswith("in"))
        (out,) = (a for key, a in io.items() if key.startswith("out_"))
    return fed, out


def test_every_model_is_here() -> None:
    folders = {p.name for p in MODELS.iterdir() if p.is_dir() and not p.name.startswith("_")}
    assert folders == {*NAMES, *OTHERWISE}


@pytest.mark.parametrize("name", NAMES)
def test_gives_caffes_numbers(name: str) -> None:
    _check(_load(name), name)


@pytest.mark.parametrize("name", ["open_nsfw_resnet50_1by2", "mtcnn_det1"])
def test_survives_the_arrow_file(name: str, tmp_path: Path) -> None:
    model = _load(name)
    digest = model.write_bundle(tmp_path / "model.arrow")
    again = Model.open_bundle(tmp_path / "model.arrow")
    assert again.content_hash == digest == model.content_hash
    _check(again, name)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(1, keepdims=True)


def test_a_training_prototxt_scores() -> None:
    """Data layers become inputs; loss and accuracy fall away, and with them the labels."""
    model = _load("lenet_gc", "train_test.prototxt", input_shapes={"data": (1, 1, 28, 28)})
    assert dict(model.inputs) == {"data": (1, 1, 28, 28)}
    assert model.outputs == ("ip2",)
    feed, outs = _golden("lenet_gc")
    assert_close_to_caffe(_softmax(model.run(feed)["ip2"]), outs["prob"])


@pytest.mark.parametrize("name", sorted(TRAINING.keys() - {"cifar10_full_ternary"}))
def test_what_reads_a_database_scores_once_its_shape_is_given(name: str) -> None:
    with pytest.raises(CaffeError, match=r"input_shapes=\{'data': \("):
        _load(name)
    model = _load(name, input_shapes={"data": TRAINING[name]})
    feed, outs = _golden(name)
    (logits,) = model.run(feed).values()
    assert_close_to_caffe(_softmax(logits), outs["prob"])


@pytest.mark.parametrize("name", sorted(TRAINING))
def test_what_was_derived_gives_caffes_numbers(name: str) -> None:
    _check(_load(name, "deploy_derived.prototxt"), name)


def test_weights_of_other_widths_name_each_layer() -> None:
    """Nobody knows which prototxt of the fork these weights were trained with: not this one."""
    with pytest.raises(CaffeError, match=r"\(64, 32, 5, 5\)") as caught:
        _load("cifar10_full_ternary", input_shapes={"data": TRAINING["cifar10_full_ternary"]})
    assert len(caught.value.problems) == 5


@pytest.mark.parametrize("name", IMAGES)
def test_finds_in_an_image_what_opencv_found(name: str) -> None:
    """OpenCV fills up to keep_top_k rows with zeros."""
    image, theirs = _opencv(name, "opencv_image_io.npz")
    count, tolerance = IMAGES[name]
    model = _load(name)
    ours = model.run(dict.fromkeys(model.inputs, image))[model.outputs[0]][0, 0]
    theirs = theirs[0, 0][theirs[0, 0, :, 2] > 0]
    assert len(theirs) == count
    assert_close_to_caffe(ours, theirs if count else [[0, *[-1] * 6]], tol=tolerance)


def test_half_floats() -> None:
    feed, outs = _golden("hyperlpr_finemapping_v1")
    half = _load("hyperlpr_finemapping_v2").run(feed)["dense"]
    assert_close_to_caffe(half, _opencv("hyperlpr_finemapping_v2", "opencv_io.npz")[1])
    assert np.abs(half - outs["dense"]).max() < 4.3e-4, (
        "what half floats cost, in the source's words"
    )


def test_hdf5_weights() -> None:
    """The .h5 twin of cifar10_quick comes from another snapshot: only shapes can be held."""
    pytest.importorskip("h5py", reason="HDF5 weights need the hdf5 extra")
    folder = MODELS / "cifar10_quick"
    weights = folder / "weights_iter5000.caffemodel.h5"
    model = Model.load_caffe_model(folder / "deploy.prototxt", weights)
    binary = _load("cifar10_quick")
    shapes = {n: [tuple(b.shape) for b in blobs] for n, blobs in binary.params.items()}
    assert {n: [tuple(b.shape) for b in blobs] for n, blobs in model.params.items()} == shapes


def test_weights_of_another_net_name_every_blob() -> None:
    with pytest.raises(CaffeError) as caught:
        Model.load_caffe_model(
            MODELS / "cifar10_quick" / "deploy.prototxt",
            MODELS / "cifar10_full" / "weights.caffemodel",
        )
    said = str(caught.value)
    for part in ("'ip1', blob 0", "'ip1', blob 1", "'ip2' has no weights"):
        assert part in said


class Same(Layer):
    """What stands for BigDL's own Dummy: nothing."""

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        return nn.Identity()


def test_bigdls_own_models() -> None:
    with pytest.raises(CaffeError, match=r"converters=\{'Dummy': YourLayer\}"):
        _load("bigdl_test")
    _check(_load("bigdl_test", converters={"Dummy": Same}), "bigdl_test")
    with pytest.raises(CaffeError, match="input_shapes"):
        _load("bigdl_test_persist")
    model = _load("bigdl_test_persist", input_shapes={"data": (1, 3, 5, 5)})
    assert model.load_report.notes, "its blobs have no shapes, which is said"
    assert model.run({"data": np.ones((1, 3, 5, 5))})[model.outputs[0]].shape == (1, 2)


def test_a_forks_layers_give_the_numbers_of_their_twins() -> None:
    """OpenCV ran a derived net, with layers in Python in place of CropCenter and Axpy."""
    image, theirs = _opencv("waifu2x_upresnet10_scale2x", "opencv_io_derived.npz")
    ours = _load("waifu2x_upresnet10_scale2x").run({"input": image}, ["/conv_post"])
    assert_close_to_caffe(ours["/conv_post"], theirs)
