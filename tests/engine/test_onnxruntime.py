"""engine="onnxruntime": the weights' memory, sizes it is not made for, refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe import Model
from bigdl_caffe.engine import onnx_graph
from bigdl_caffe.engine.folded import derived
from bigdl_caffe.engine.onnx_graph import Graph, graph_of, weights_of, with_graph
from bigdl_caffe.engine.onnxruntime import open_onnxruntime
from bigdl_caffe.engine.opening import Opening, open_engine, sent
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.host_folder import own_folder
from tests.engine.foreign import a_folder_for_both, half, opened
from tests.nets import digits, net

__all__ = ["a_folder_for_both"]

NAME = "onnxruntime"
IN_PLACE = """
input: "x" input_shape { dim: 2 dim: 3 }
layer { name: "minus" type: "Power" bottom: "x" top: "x" power_param { scale: -1 } }
layer { name: "r.1" type: "ReLU" bottom: "x" top: "y" }
"""
REFUSED = """
input: "x" input_shape { dim: 2 dim: 4 dim: 6 dim: 6 }
input: "rois" input_shape { dim: 2 dim: 5 }
layer { name: "roi" type: "ROIPooling" bottom: "x" bottom: "rois" top: "roi"
  roi_pooling_param { pooled_h: 2 pooled_w: 2 } }
"""


def test_predict(rows: np.ndarray) -> None:
    model = digits()
    want = model.run({"data": rows})["prob"]
    for batch in (1, 3, 7):
        np.testing.assert_allclose(model.predict(rows, batch, engine=NAME), want, atol=1e-5)


def test_inputs_that_are_changed_in_place_are_fetched(tmp_path: Path) -> None:
    model = net(tmp_path, IN_PLACE)
    x = np.array([[1, -2, 3], [-4, 5, -6]], np.float32)
    fetch = ("x", "y", "x~0")
    want = model.run({"x": x}, fetch)
    got = open_engine(NAME, Opening(model, fetch))({"x": x})
    for blob in fetch:
        np.testing.assert_array_equal(got[blob], want[blob])


def test_weights_that_someone_changes_are_taken_anew(rows: np.ndarray) -> None:
    model = digits()
    before = model.predict(rows, engine=NAME)
    model.params["conv1"][0].detach().mul_(-1)
    after = model.predict(rows, engine=NAME)
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, model.run({"data": rows})["prob"], atol=1e-5)


def test_the_graph_has_no_weights_and_travels_in_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = digits()
    made = sent(model, NAME, model.outputs)
    assert made is sent(model, NAME, model.outputs)
    assert made in derived(model)  # which Spark frees with the model
    assert made.content_hash != model.content_hash
    made.write_bundle(tmp_path / "net.arrow")
    came = Model.open_bundle(tmp_path / "net.arrow")
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # an executor has no exporter
    monkeypatch.setattr(onnx_graph, "_export", None)
    graph = graph_of(Opening(came, model.outputs))
    assert len(graph.named) < 20_000 < sum(a.nbytes for a in weights_of(came, graph).values())
    assert Graph.from_text(graph.to_text()) == graph


def test_weights_are_fed_from_the_models_memory() -> None:
    model = digits()
    net = with_graph(model, model.outputs)
    arrays = weights_of(net, graph_of(Opening(net, model.outputs)))
    own = [tensor.data_ptr() for _, tensor in net.tensors()]
    assert sorted(a.ctypes.data for a in arrays.values()) == sorted(own)


def test_a_hosts_processes_map_one_file() -> None:
    opening = opened(NAME, digits(), shared=True)
    x = {"data": torch.rand(4, 1, 8, 8)}
    first = open_onnxruntime(opening)(x)["prob"]
    folder = _made_last()
    made = (folder / "weights").stat()
    compute = open_onnxruntime(opening)
    assert (folder / "weights").stat().st_mtime_ns == made.st_mtime_ns
    assert torch.equal(first, compute(x)["prob"])
    mapped = Path("/proc/self/maps")
    if mapped.exists():  # Linux
        assert str(folder / "weights") in mapped.read_text()


def _made_last() -> Path:
    folders = [path for path in (own_folder() / NAME).iterdir() if path.name != "lock"]
    return max(folders, key=lambda path: path.stat().st_mtime)


def test_a_damaged_graph_is_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    opening = opened(NAME, digits(), shared=True)
    x = {"data": torch.rand(4, 1, 8, 8)}
    first = open_onnxruntime(opening)(x)["prob"]
    folder = _made_last()
    (folder / "graph.onnx").write_bytes(b"damaged")
    assert torch.equal(first, open_onnxruntime(opening)(x)["prob"])
    assert "it is made anew" in caplog.text


def test_other_sizes_are_torchs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = """
    input: "x" input_shape { dim: 1 dim: 2 dim: 6 dim: 6 }
    layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param {
      num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
    """
    model = net(tmp_path, text)
    run = open_engine(NAME, opened(NAME, model))
    for shape in ((2, 2, 6, 6), (1, 2, 9, 7)):
        x = np.random.default_rng(0).random(shape, np.float32)
        np.testing.assert_allclose(run({"x": x})["c"], model.run({"x": x})["c"], atol=1e-5)
    assert caplog.text.count("computed by torch") == 1


def test_what_onnx_cannot_express_is_refused_at_once(tmp_path: Path) -> None:
    model = net(tmp_path, REFUSED)
    with pytest.raises(CaffeError, match=r"'roi' \(ROIPooling\).*engine='torch'"):
        sent(model, NAME, model.outputs)


@pytest.mark.parametrize("package", ["onnxruntime", "onnxscript"])
def test_says_what_to_install(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if package == "onnxscript":
        monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))  # where no graph is yet
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CaffeError, match=r"pip install bigdl-caffe\[onnx"):
        digits().predict(np.zeros((1, 1, 8, 8)), engine=NAME)


def test_a_half_precision_model_is_refused() -> None:
    model = half(digits())
    with pytest.raises(CaffeError, match=r"float32 on the CPU.*engine='torch'"):
        open_engine(NAME, Opening(model, model.outputs))
