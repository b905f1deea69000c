"""The nets that are measured are those of the papers, and their values stay of one size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.nets import NETS, written
from benchmarks.nets.branched import googlenet, resnet50, squeezenet
from benchmarks.nets.caffemodel import write_caffemodel
from benchmarks.nets.draft import Draft
from benchmarks.nets.mobile import mobilenet
from bigdl_caffe import Model

PUBLISHED = {
    "lenet": 431_080,
    "alexnet": 60_965_224,
    "googlenet": 6_998_552,
    "vgg16": 138_357_544,
    "resnet50": 25_557_032,
    "squeezenet": 1_235_496,
    "mobilenet": 4_231_976,
}
"""What training changes: BatchNorm's statistics are not counted."""

SMALL = {
    "googlenet": lambda: googlenet(64),
    "resnet50": lambda: resnet50(64),
    "squeezenet": lambda: squeezenet(64),
    "mobilenet": lambda: mobilenet(64),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_many_parameters_as_published(name: str) -> None:
    layers = (layer for layer in NETS[name]().layers if layer.type != "BatchNorm")
    assert sum(fill.size for layer in layers for fill in layer.blobs) == PUBLISHED[name]


def opened(folder: Path, draft: Draft) -> Model:
    (folder / "net.prototxt").write_text(draft.prototxt())
    write_caffemodel(folder / "net.caffemodel", draft, seed=0)
    return Model.load_caffe_model(folder / "net.prototxt", folder / "net.caffemodel")


@pytest.mark.parametrize("name", SMALL)
def test_scores_are_not_of_one_class(name: str, tmp_path: Path) -> None:
    model = opened(tmp_path, SMALL[name]())
    assert not model.load_report.unused
    rows = np.random.default_rng(1).standard_normal((2, 3, 64, 64), dtype=np.float32)
    prob = model.run({"data": rows})["prob"].reshape(2, -1)
    assert prob.shape == (2, 1000)
    assert 2 / 1000 < prob.max() < 0.8
    assert (prob[0] != prob[1]).any()


def test_the_ssd_finds_some_boxes(tmp_path: Path) -> None:
    model = opened(tmp_path, NETS["ssd"]())
    assert model.blob_shapes["priors"] == (1, 2, 4 * 1917)
    rows = np.random.default_rng(1).standard_normal((1, 3, 300, 300), dtype=np.float32)
    found = model.run({"data": rows})["detections"]
    assert found.shape[-1] == 7
    assert 0 < found.shape[2] <= 100
    assert 0.01 < found[..., 2].max() < 0.9


def test_files_are_the_same_each_time_and_written_once(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a", "lenet"), written(tmp_path / "b", "lenet")
    assert one.caffemodel.read_bytes() == other.caffemodel.read_bytes()
    before = one.caffemodel.stat().st_mtime_ns
    assert written(tmp_path / "a", "lenet").caffemodel.stat().st_mtime_ns == before
    assert written(tmp_path / "a", "lenet", seed=1).caffemodel.stat().st_mtime_ns != before
