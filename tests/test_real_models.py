"""Real trained models from the wild give the numbers that real Caffe gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe import CaffeError, Model
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
]


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


def test_a_training_prototxt_scores() -> None:
    """Data layers become inputs; loss and accuracy fall away, and with them the labels."""
    model = _load("lenet_gc", "train_test.prototxt", input_shapes={"data": (1, 1, 28, 28)})
    assert dict(model.inputs) == {"data": (1, 1, 28, 28)}
    assert model.outputs == ("ip2",)
    feed, outs = _golden("lenet_gc")
    logits = model.run(feed)["ip2"].astype(np.float64)
    softmax = np.exp(logits - logits.max(1, keepdims=True))
    assert_close_to_caffe(softmax / softmax.sum(1, keepdims=True), outs["prob"])


def test_an_open_input_shape_is_asked_for() -> None:
    with pytest.raises(CaffeError, match=r"input_shapes=\{'data': \("):
        _load("arm_cifar10_m4")
    model = _load("arm_cifar10_m4", input_shapes={"data": (1, 3, 32, 32)})
    assert model.outputs == ("ip1",)


def test_half_floats() -> None:
    feed, outs = _golden("hyperlpr_finemapping_v1")
    half = _load("hyperlpr_finemapping_v2").run(feed)["dense"]
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


def test_bigdls_own_models() -> None:
    with pytest.raises(CaffeError, match="Dummy"):
        _load("bigdl_test")
    with pytest.raises(CaffeError, match="input_shapes"):
        _load("bigdl_test_persist")
    model = _load("bigdl_test_persist", input_shapes={"data": (1, 3, 5, 5)})
    assert model.load_report.notes, "its blobs have no shapes, which is said"
    assert model.run({"data": np.ones((1, 3, 5, 5))})[model.outputs[0]].shape == (1, 2)


def test_a_net_with_unsupported_layers_scores_up_to_them() -> None:
    with pytest.raises(CaffeError, match="Crop"):
        _load("wechat_qr_sr")
    model = _load("wechat_qr_sr", outputs=["conv0"])
    feed, _ = _golden("wechat_qr_sr")
    assert model.run(feed)["conv0"].shape == model.blob_shapes["conv0"]
