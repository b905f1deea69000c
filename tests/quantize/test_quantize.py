"""`Model.quantize`: what it costs on real digits, what it takes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.quantize.model import QuantizedModel
from bigdl_caffe.quantize.spread import METHODS
from tests.nets import TWO_IN, digits, net
from tests.quantize.nets import assert_alike, noise, residual, scans


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    return scans()


@pytest.mark.parametrize("method", METHODS)
def test_digits_stay_right(method: str, lenet: Model, data: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, truth = data
    model = lenet.quantize(pixels[:100], method=method)
    right = int((lenet.predict_class(pixels) == truth).sum())
    assert abs(int((model.predict_class(pixels) == truth).sum()) - right) <= 1
    assert np.abs(model.predict(pixels) - lenet.predict(pixels)).max() < 0.05
    assert min(layer.decibels for layer in model.report.layers) > 35


def test_the_report_tells_what_it_costs(lenet: Model, data: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, truth = data
    model = lenet.quantize(pixels, labels=truth.tolist(), keep="conv1")
    report = model.report
    assert {layer.name: layer.int8 for layer in report.layers} == {
        "conv1": False,
        "conv2": True,
        "ip1": True,
        "ip2": True,
    }
    assert report.layers[0].decibels == float("inf") or report.layers[0].decibels > 40
    (prob,) = report.outputs.values()
    got, want = model.predict(pixels), lenet.predict(pixels)
    assert prob.largest == pytest.approx(np.abs(got - want).max(), rel=1e-3)
    assert prob.agreement == (got.argmax(1) == want.argmax(1)).mean()
    assert prob.float_accuracy == (want.argmax(1) == truth).mean()
    assert prob.int8_accuracy == (got.argmax(1) == truth).mean()
    assert report.rows == 300
    assert "conv1  no" in str(report)
    assert "accuracy 99.67%" in str(report)


def test_all_forms_of_data_give_one_net(tmp_path: Path) -> None:
    model, rows = residual(tmp_path), noise(10)
    forms: list[Any] = [
        rows,
        {"x": rows},
        ({"x": rows[i : i + 3]} for i in range(0, 10, 3)),
        iter([rows]),
        np.concatenate([rows, 100 * rows])[:10],
    ]
    first, *others = (model.quantize(form).scheme for form in forms)
    others.append(model.quantize(np.concatenate([rows, 100 * rows]), rows=10).scheme)
    for other in others:
        assert_alike(first, other)


def test_without_data_weights_alone_are_int8(lenet: Model) -> None:
    model = lenet.quantize()
    pixels = scans()[0][:20]
    assert isinstance(model, QuantizedModel)
    assert not model.scheme.values
    np.testing.assert_allclose(model.predict(pixels), lenet.predict(pixels), atol=0.02)
    np.testing.assert_allclose(
        model.predict(pixels), model.run({"data": pixels})["prob"], atol=1e-5
    )
    assert "weights: 0.07 MB -> 0.02 MB" in str(model.report)


def test_wrong_calls_are_told_in_words(lenet: Model, tmp_path: Path) -> None:
    pixels = scans()[0][:4]
    for given, how, words in (
        (pixels, {"method": "best"}, "method is 'best'"),
        (pixels, {"keep": ["nope"]}, "keep names no layer.*nope"),
        (pixels, {"rows": 0}, "both must be 1 or more"),
        (pixels, {"labels": [1]}, "1 labels are given for 4 rows"),
        (pixels, {"input_col": "image"}, "input_col"),
        (pixels[:0], {}, "no rows"),
        ([], {}, "no rows|number of axes|arrays given"),
        (5, {}, "calibration is a int"),
        ({"nope": pixels}, {}, "'nope' is not an input"),
        (pixels * np.nan, {}, "not finite"),
    ):
        with pytest.raises(CaffeError, match=words):
            lenet.quantize(given, **how)
    with pytest.raises(CaffeError, match="no convolution or matrix product"):
        net(tmp_path, TWO_IN).quantize()


def test_what_int8_cannot_do_says_so(lenet: Model, tmp_path: Path) -> None:
    model = lenet.quantize(scans()[0][:4])
    for call in (
        model.to_torch,
        model.get_weights,
        model.freeze,
        model.quantize,
        lambda: model.params,
        lambda: model.new_graph("ip1"),
        lambda: model.set_weights([]),
        lambda: model.save_caffe(tmp_path / "a", tmp_path / "b"),
        lambda: model.to_onnx(tmp_path / "c"),
        lambda: model.to_safetensors(tmp_path / "d"),
    ):
        with pytest.raises(CaffeError, match=r"this model is int8.*dequantize"):
            call()
    with pytest.raises(CaffeError, match="takes float models"):
        model.predict(scans()[0][:4], engine="compiled")


def test_dequantized_weights_make_a_model_as_any(lenet: Model, tmp_path: Path) -> None:
    pixels = scans()[0][:20]
    model = lenet.quantize(pixels).dequantize()
    model.save_caffe(tmp_path / "a.prototxt", tmp_path / "a.caffemodel")
    again = Model.load_caffe_model(tmp_path / "a.prototxt", tmp_path / "a.caffemodel")
    np.testing.assert_array_equal(
        again.run({"data": pixels})["prob"], model.run({"data": pixels})["prob"]
    )
    np.testing.assert_allclose(model.predict(pixels), lenet.predict(pixels), atol=0.02)


def test_the_float_model_is_left_as_it_was() -> None:
    model = digits()
    before = model.content_hash
    model.quantize(scans()[0][:4])
    assert model.content_hash == before
    assert model.scheme is None


def test_a_note_stays_with_an_int8_model(lenet: Model) -> None:
    model = lenet.quantize(scans()[0][:4])
    noted = model.noted("say", "so")
    assert isinstance(noted, QuantizedModel)
    assert (noted.note("say"), noted.scheme) == ("so", model.scheme)


def test_a_net_without_biases_says_what_it_computes_in(tmp_path: Path) -> None:
    text = """
        input: "x" input_shape { dim: 1 dim: 8 }
        layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc" inner_product_param {
          num_output: 3 bias_term: false weight_filler { type: "xavier" } } }"""
    model = net(tmp_path, text).quantize(noise(4, (8,)))
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}
    model.move(torch.device("meta"), torch.float32)
    assert {t.device.type for t in model.module.state_dict().values()} == {"meta"}


def test_arrays_are_not_evaluated(lenet: Model) -> None:
    with pytest.raises(CaffeError, match="takes a DataFrame or an RDD, not a ndarray"):
        lenet.evaluate(scans()[0][:4])
