"""From scans to a net that reads them: Caffe's way of training, with Caffe's files in and out."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bigdl_caffe import Model
from bigdl_caffe.cli import main
from tests.nets import DIGITS

cv2 = pytest.importorskip("cv2")
datasets = pytest.importorskip("sklearn.datasets")
selection = pytest.importorskip("sklearn.model_selection")

DATA = """
layer { name: "data" type: "ImageData" top: "data" top: "label"
  transform_param { scale: 0.00416666667 crop_size: 8 }
  image_data_param { source: "train.txt" batch_size: 64 is_color: false shuffle: true } }
"""
SOLVER = """
net: "lenet_train_val.prototxt"
type: "Adam" momentum: 0.9 momentum2: 0.999 weight_decay: 0.0005
base_lr: 0.005 lr_policy: "poly" power: 1
max_iter: 690 random_seed: 1 snapshot_prefix: "lenet"
"""
"""Thirty epochs."""
SECONDS = 120
LEVEL = 15


def layers() -> str:
    """Return the example's train_val.prototxt, without its data."""
    text = (DIGITS / "lenet_train_val.prototxt").read_text()
    return text[text.index('layer {\n  name: "conv1"') :]


def write_scans(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write four scans of five as PNGs, with a border to crop from; return the fifth one."""
    scans = datasets.load_digits()
    kept, held = selection.train_test_split(  # as the example is split
        np.arange(len(scans.target)), test_size=0.2, random_state=0, stratify=scans.target
    )
    lines = []
    for i in kept:
        pixels = np.pad(scans.images[i] * LEVEL, 1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        lines.append(f"{i}.png {scans.target[i]}\n")
    (folder / "train.txt").write_text("".join(lines))
    return scans.images[held, None].astype(np.float32) / 16, scans.target[held]


@pytest.mark.slow
def test_lenet_reads_the_fifth_it_has_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    unseen, truth = write_scans(tmp_path)
    Path("lenet_train_val.prototxt").write_text(DATA + layers())
    Path("solver.prototxt").write_text(SOLVER)
    start = time.process_time()
    assert main(["train", "--solver", "solver.prototxt", "--quiet"]) == 0
    assert time.process_time() - start < SECONDS
    files = DIGITS / "lenet.prototxt", tmp_path / "lenet_iter_690.caffemodel"
    scores = Model.load_caffe_model(*files).run({"data": unseen})["prob"]
    assert (scores.argmax(1) == truth).mean() >= 0.98
    net = cv2.dnn.readNetFromCaffe(*map(str, files))
    net.setInput(unseen)
    theirs = net.forward()
    np.testing.assert_allclose(theirs, scores, atol=1e-4)
    np.testing.assert_array_equal(theirs.argmax(1), scores.argmax(1))
