"""OpenCV reads what is saved, and computes of it what it computes of Caffe's own files.

It runs in a process of its own: of some nets it does not know it brings the process down.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe import Model
from tests.compare import assert_close_to_caffe
from tests.layers.golden import Case, cases
from tests.paths import SHARED, needs_models

cv2 = pytest.importorskip("cv2")

Array = np.ndarray[Any, Any]
Blobs = Mapping[str, Array]


def cv_run(prototxt: Path, caffemodel: Path, feed: Blobs) -> dict[str, Array] | str:
    """Return what OpenCV makes at the ends of a net, by its own names, or what it says."""

    def work() -> dict[str, Array] | str:
        try:
            net = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))
            for blob, array in feed.items():
                net.setInput(np.ascontiguousarray(array, np.float32), blob)
            ends = net.getUnconnectedOutLayersNames()
            return dict(zip(ends, net.forward(ends), strict=True))
        except cv2.error as error:
            return str(error.err or error).replace(str(prototxt), "")

    return in_a_process(work, "OpenCV ended the process")


def in_a_process(work: Callable[[], Any], ended: Any) -> Any:
    """Return what ``work`` returns in a process of its own, or ``ended`` where it does not."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        os.close(out)
        with os.fdopen(into, "wb") as pipe:
            pickle.dump(work(), pipe)
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(data) if data else ended


def by_blob(tops: Blobs, model: Model) -> dict[str, Array]:
    """Return arrays by blob, of arrays by blob or by the layer that makes it."""
    makers = {layer.name: layer.tops[0] for layer in model.net.layers if layer.tops}
    return {makers.get(name, name): array for name, array in tops.items()}


AT_RANDOM = {"BNLL/three_d", "Scale/axis_neg", "TanH/inplace"}
"""Cases of which OpenCV reads memory that is not theirs: what it makes, or its end, is chance."""

RUN = [c for c in cases() if not c.meta["error"] and not c.meta["random"]]
ONCE = [c for c in RUN if c.meta["phase"] == "TEST" and c.meta["steps"] == 1]
SCORED = [c for c in ONCE if c.name not in AT_RANDOM]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in SCORED])
def test_golden_nets(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.folder)
    model = case.load()
    feed = {b: a for b, a in case.step(0, "in").items() if b in model.inputs}
    model.save_caffe(tmp_path / "p", tmp_path / "w")
    weights = case.folder / "weights.caffemodel"
    before = cv_run(
        case.folder / "net.prototxt", weights if weights.exists() else tmp_path / "w", feed
    )
    after = cv_run(tmp_path / "p", tmp_path / "w", feed)
    if isinstance(before, str) or isinstance(after, str):
        assert isinstance(before, str), after
        assert isinstance(after, str), before
        return
    assert before.keys() == after.keys()
    caffe, theirs = case.tops(0), by_blob(before, model)
    for end, made in before.items():
        np.testing.assert_array_equal(after[end], made, err_msg=end)
    for blob, ours in by_blob(after, model).items():
        # Each OpenCV release computes some layers otherwise than Caffe, of Caffe's files too;
        # it knows no stages, and makes an end of what is silenced.
        if blob in caffe and is_caffes(theirs[blob], caffe[blob]):
            same = ours.reshape(caffe[blob].shape)
            assert_close_to_caffe(same, caffe[blob], tol=1e-4, what=blob)


def is_caffes(theirs: Array, caffe: Array) -> bool:
    """Return whether OpenCV computes of Caffe's own files what Caffe does."""
    try:
        assert_close_to_caffe(theirs.reshape(caffe.shape), caffe, tol=1e-4)
    except (AssertionError, ValueError):
        return False
    return True


MODELS = SHARED / "models"
NAMES = [
    "aizoo_face_mask",
    "cifar10_full",
    "cifar10_quick",
    "mtcnn_det1",
    "mtcnn_det2",
    "mtcnn_det3",
    "old_v0_lenet",
    "old_v1_cifar10_full",
    "open_nsfw_resnet50_1by2",
    "squeezenet_v1.0_dc",
    "ultraface_slim320",
    "wechat_qr_detect",
    "wechat_qr_sr",
    "yufacedetect_v1",
]
"""The real models whose layers OpenCV knows."""


@needs_models
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_real_models(name: str, tmp_path: Path) -> None:
    files = MODELS / name / "deploy.prototxt", MODELS / name / "weights.caffemodel"
    model = Model.load_caffe_model(*files)
    random = np.random.default_rng(0)
    feed = {b: random.random(shape, np.float32) for b, shape in model.inputs.items()}
    model.save_caffe(tmp_path / "p", tmp_path / "w")
    before, after = cv_run(*files, feed), cv_run(tmp_path / "p", tmp_path / "w", feed)
    assert not isinstance(after, str), after
    if not isinstance(before, str):  # it cannot read V0
        assert all(np.array_equal(after[blob], array) for blob, array in before.items())
    ours, theirs = model.run(feed), by_blob(after, model)
    for blob in theirs.keys() & ours.keys():
        if theirs[blob].size == ours[blob].size:  # OpenCV fills up lists of detections
            assert_close_to_caffe(theirs[blob].reshape(ours[blob].shape), ours[blob], 1e-4, blob)
