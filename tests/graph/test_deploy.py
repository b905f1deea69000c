"""A net that was trained leaves as one that scores: Caffe's deploy.prototxt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.format.prototxt import read_net
from tests.nets import DIGITS

cv2 = pytest.importorskip("cv2")

TRAIN_VAL = DIGITS / "lenet_train_val.prototxt", DIGITS / "lenet.caffemodel"
SHAPES = {"data": (5, 1, 8, 8)}


def test_it_scores_the_same_here_and_in_opencv(tmp_path: Path, rows: np.ndarray) -> None:
    model = Model.load_caffe_model(*TRAIN_VAL, input_shapes=SHAPES)
    files = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    model.save_caffe(*files, deploy=True)
    again = Model.load_caffe_model(*files)
    assert again.inputs == SHAPES
    assert str(again.recipe()) == str(model.recipe())
    scores = model.run({"data": rows})["ip2"]
    np.testing.assert_array_equal(again.run({"data": rows})["ip2"], scores)
    net = cv2.dnn.readNetFromCaffe(*map(str, files))
    net.setInput(rows)
    np.testing.assert_allclose(net.forward(), scores, atol=1e-4)


def test_nothing_else_is_left(tmp_path: Path) -> None:
    model = Model.load_caffe_model(*TRAIN_VAL, input_shapes=SHAPES)
    model.save_caffe(tmp_path / "p", tmp_path / "w", deploy=True)
    layers = read_net(str(tmp_path / "p")).layer
    assert [layer.name for layer in layers] == [layer.name for layer in model.net.layers]
    assert {"ImageData", "Accuracy", "SoftmaxWithLoss"}.isdisjoint(layer.type for layer in layers)


def test_it_folds_too(tmp_path: Path, rows: np.ndarray) -> None:
    model = Model.load_caffe_model(*TRAIN_VAL, input_shapes=SHAPES)
    model.save_caffe(tmp_path / "p", tmp_path / "w", deploy=True, fold=True)
    again = Model.load_caffe_model(tmp_path / "p", tmp_path / "w")
    np.testing.assert_array_equal(
        again.run({"data": rows})["ip2"], model.run({"data": rows})["ip2"]
    )


def test_a_net_that_trains_is_refused(tmp_path: Path) -> None:
    model = Model.load_caffe_model(
        *TRAIN_VAL, phase="TRAIN", input_shapes={**SHAPES, "label": (5,)}
    )
    with pytest.raises(CaffeError, match="load it with phase"):
        model.save_caffe(tmp_path / "p", tmp_path / "w", deploy=True)
