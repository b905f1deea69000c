"""What ONNX files are called, how open their batch is, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError, UnsupportedLayerError
from bigdl_caffe.export import onnx as export
from tests.export.onnx import run
from tests.nets import net
from tests.paths import REPO

IN_PLACE = """
input: "x" input_shape { dim: 2 dim: 3 }
layer { name: "minus" type: "Power" bottom: "x" top: "x" power_param { scale: -1 } }
layer { name: "r.1" type: "ReLU" bottom: "x" top: "y" }
layer { name: "up" type: "Power" bottom: "x" top: "x" power_param { shift: 1 } }
"""
TWO_REFUSED = """
input: "x" input_shape { dim: 2 dim: 4 dim: 6 dim: 6 }
input: "rois" input_shape { dim: 2 dim: 5 }
layer { name: "roi" type: "ROIPooling" bottom: "x" bottom: "rois" top: "roi"
  roi_pooling_param { pooled_h: 2 pooled_w: 2 } }
layer { name: "relu" type: "ReLU" bottom: "roi" top: "relu" }
layer { name: "drop" type: "Dropout" bottom: "relu" top: "drop" }
layer { name: "bn" type: "BatchNorm" bottom: "drop" top: "bn" }
"""
RECURRENT = """
input: "x" input_shape { dim: 3 dim: 2 dim: 4 }
input: "cont" input_shape { dim: 3 dim: 2 }
layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "h"
  recurrent_param { num_output: 5 weight_filler { type: "gaussian" std: 1 } } }
"""


def test_carries_the_nets_names(lenet: Model, tmp_path: Path) -> None:
    lenet.to_onnx(tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx").graph
    onnx.checker.check_model(tmp_path / "net.onnx", full_check=True)
    assert [i.name for i in graph.input] == ["data"]
    assert [o.name for o in graph.output] == ["prob"]
    assert {w.name for w in graph.initializer} >= lenet.to_torch().state_dict().keys()
    layers = dict.fromkeys(node.name.partition("/")[0] for node in graph.node)
    assert list(layers) == [spec.name for spec in lenet.net.layers if spec.bottoms]


def test_says_nothing_of_this_machine(lenet: Model, tmp_path: Path) -> None:
    lenet.to_onnx(tmp_path / "net.onnx")
    assert str(REPO).encode() not in (tmp_path / "net.onnx").read_bytes()


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_takes_any_number_of_rows(rows: int, lenet: Model, tmp_path: Path) -> None:
    lenet.to_onnx(tmp_path / "net.onnx")
    x = np.random.default_rng(0).random((rows, 1, 8, 8), np.float32)
    top = run(tmp_path / "net.onnx", {"data": x})["prob"]
    assert top.shape == (rows, 10)
    if rows:
        np.testing.assert_allclose(top, lenet.run({"data": x})["prob"], rtol=1e-4)


def test_a_batch_can_be_fixed(lenet: Model, tmp_path: Path) -> None:
    lenet.to_onnx(tmp_path / "net.onnx", dynamic_batch=False)
    (data,) = onnx.load(tmp_path / "net.onnx").graph.input
    sizes = [d.dim_value for d in data.type.tensor_type.shape.dim]
    assert sizes == list(lenet.inputs["data"])


def test_an_input_that_is_an_output_too_is_named_apart(tmp_path: Path) -> None:
    model = net(tmp_path, IN_PLACE)
    model.to_onnx(tmp_path / "net.onnx")
    feed = {"x": np.array([[1, -2, 3], [-4, 5, -6]], np.float32)}
    ours, theirs = model.run(feed), run(tmp_path / "net.onnx", feed)
    (given,) = onnx.load(tmp_path / "net.onnx").graph.input
    assert given.name == "x~0"
    for blob in ("x", "y"):
        np.testing.assert_array_equal(theirs[blob], ours[blob])


def test_recurrent_layers_begin_anew(tmp_path: Path) -> None:
    model = net(tmp_path, RECURRENT)
    random = np.random.default_rng(0)
    feed = {"x": random.random((3, 2, 4), np.float32), "cont": np.ones((3, 2), np.float32)}
    first = model.run(feed)["h"]
    model.to_onnx(tmp_path / "net.onnx")
    for top in (model.run(feed)["h"], run(tmp_path / "net.onnx", feed)["h"]):
        np.testing.assert_allclose(top, first, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("opset", [18, 21])
def test_writes_the_opset_that_is_asked_for(opset: int, lenet: Model, tmp_path: Path) -> None:
    lenet.to_onnx(tmp_path / "net.onnx", opset=opset)
    (used,) = onnx.load(tmp_path / "net.onnx").opset_import
    assert used.version == opset


@pytest.mark.parametrize("opset", [-1, 1, 999])
def test_an_opset_that_cannot_be_is_refused(opset: int, lenet: Model, tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match="opset"):
        lenet.to_onnx(tmp_path / "net.onnx", opset=opset)
    assert list(tmp_path.iterdir()) == []


def test_every_layer_at_fault_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = net(tmp_path, TWO_REFUSED, phase="TRAIN")
    with pytest.raises(UnsupportedLayerError) as caught:
        model.to_onnx(tmp_path / "net.onnx")
    roi, drop, norm = caught.value.problems
    assert roi.startswith("ONNX cannot express layer 'roi' (ROIPooling): ")
    assert drop == "ONNX cannot express layer 'drop' (Dropout): it draws at random"
    assert norm.startswith("ONNX cannot express layer 'bn' (BatchNorm): ")
    assert not (tmp_path / "net.onnx").exists()
    assert capfd.readouterr() == ("", "")


def test_a_failed_export_leaves_what_was_there(lenet: Model, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"what was there")
    with pytest.raises(UnsupportedLayerError):
        net(tmp_path, TWO_REFUSED).to_onnx(path)
    assert path.read_bytes() == b"what was there"
    lenet.to_onnx(path)
    onnx.checker.check_model(path)


def test_says_what_to_install(
    lenet: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(CaffeError, match=r"pip install bigdl-caffe\[onnx\]"):
        lenet.to_onnx(tmp_path / "net.onnx")


def test_more_than_a_file_holds_is_refused(
    lenet: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "LARGEST", 1000)
    with pytest.raises(CaffeError, match="to_safetensors"):
        lenet.to_onnx(tmp_path / "net.onnx")
