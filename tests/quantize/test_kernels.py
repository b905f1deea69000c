"""int8 kernels and floats give the same, whatever stands between the layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe import Model
from bigdl_caffe.engine import int8, int8_check
from bigdl_caffe.engine.check import departure, probe
from bigdl_caffe.engine.int8_layers import Int8Convolution, Int8Layer, Int8MaxPool
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.program import ProgramNet, program
from bigdl_caffe.quantize.model import QuantizedModel
from tests.nets import net
from tests.quantize.nets import CHOICES, TWO_NAMES, noise, residual, scans

needs_int8 = pytest.mark.skipif(
    not int8.available(), reason="this processor or torch lacks oneDNN's int8 kernels with VNNI"
)


@pytest.fixture
def model(tmp_path: Path) -> QuantizedModel:
    return residual(tmp_path).quantize(noise(32), keep=["side"])


def steps_apart(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.abs(got - want).max() / np.abs(want).max())


@pytest.mark.parametrize("fetch", ["fc", "sum", "cat", "sum~0", "pool", "norm", "x"])
@pytest.mark.parametrize("rows", [1, 5])
def test_each_value_is_what_floats_give(
    model: QuantizedModel, fetch: str, rows: int, caplog: pytest.LogCaptureFixture
) -> None:
    feed = {"x": noise(rows, seed=1)}
    want = model.run(feed, [fetch])[fetch]
    got = model.predict(feed, batch_size=rows, fetch=[fetch])
    assert steps_apart(got, want) < 0.02
    assert "not used" not in caplog.text


def test_no_sum_overwrites_what_is_read_by_another_name(tmp_path: Path) -> None:
    rows = noise(8, (3, 8, 8))
    model = net(tmp_path, TWO_NAMES).quantize(rows)
    want = model.run({"x": rows}, ["last"])["last"]
    assert steps_apart(model.predict(rows, batch_size=8), want) < 0.02


def test_values_on_the_way_are_whole(model: QuantizedModel) -> None:
    joined = optimised(program(model.module, model.outputs))
    placed = int8.in_kernels(joined, model.scheme)
    layers = [op.module for op in placed.ops if isinstance(op.module, Int8Layer)]
    by_name = {op.layers[0]: op.module for op in placed.ops if isinstance(op.module, Int8Layer)}
    assert len(layers) == 8
    assert by_name["a"].top is not None
    assert by_name["deep"].other is not None
    assert by_name["tanh"].top is None, "no kernel has a TanH"
    got = ProgramNet(placed)({"x": torch.from_numpy(noise(3))})["fc"].detach().numpy()
    assert steps_apart(got, model.run({"x": noise(3)}, ["fc"])["fc"]) < 1e-4


def test_floats_stand_in_where_kernels_are_not(
    model: QuantizedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "available", lambda: False)
    feed = {"x": noise(4)}
    np.testing.assert_array_equal(model.predict(feed), model.run(feed)["fc"])


@needs_int8
def test_a_wrong_kernel_is_not_used(
    model: QuantizedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = Int8Convolution.forward

    def forward(self: Int8Convolution, *bottoms: torch.Tensor) -> torch.Tensor:
        return right(self, *bottoms) + 3

    monkeypatch.setattr(Int8Convolution, "forward", forward)
    feed = {"x": noise(4)}
    np.testing.assert_array_equal(model.predict(feed), model.run(feed)["fc"])
    assert "int8 kernels are not used: 'a' is off by" in caplog.text


@needs_int8
def test_what_is_wrong_between_the_layers_is_seen(
    model: QuantizedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = Int8MaxPool.forward
    monkeypatch.setattr(Int8MaxPool, "forward", lambda self, x: right(self, x).flip(1))
    feed = {"x": noise(4)}
    np.testing.assert_array_equal(model.predict(feed), model.run(feed)["fc"])
    assert re.search(r"engine 'torch' is not used: 'fc' is only -?\d+ dB above", caplog.text)


@pytest.mark.parametrize("blob", ["which", "where", "above", "fc"])
def test_what_a_layer_chooses_is_not_compared(tmp_path: Path, blob: str) -> None:
    exact = net(tmp_path, CHOICES)
    model = exact.quantize(noise(8))

    def other(feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {blob: 5 - model.run(feed, [blob])[blob]}

    assert (departure(other, model, [blob]) is None) == (blob != "fc")
    assert departure(other, exact, [blob]) is not None, "a float net's are exact"


def test_it_is_checked_on_numbers_of_the_size_of_its_own(tmp_path: Path) -> None:
    model = residual(tmp_path).quantize(noise(8) * 50 + 200)
    made = probe(model, ("fc",), 2)["x"]
    assert made.shape == (2, 3, 12, 12)
    assert 150 < made.mean() < 250, "the range has 0 in it"
    assert 25 < made.std() < 100


@needs_int8
def test_processes_share_one_file_of_packed_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lenet: Model
) -> None:
    from bigdl_caffe.engine.opening import Opening, open_engine

    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))
    rows = scans()[0][:8]
    model = lenet.quantize(rows)
    opening = Opening(model, ("prob",), 8, shared=True)
    runs = [open_engine("torch", opening) for _ in range(2)]
    for run in runs:
        np.testing.assert_array_equal(run({"data": rows})["prob"], model.predict(rows, 8))
    assert len([p for p in tmp_path.rglob("packed/*") if p.name != "lock"]) == 1
    assert list(tmp_path.rglob("checked/*-int8"))


def test_the_check_names_the_layer(model: QuantizedModel) -> None:
    placed = int8.in_kernels(optimised(program(model.module, model.outputs)), model.scheme)
    feed = {"x": torch.from_numpy(noise(2))}
    with torch.inference_mode():
        assert int8_check.wrong_layer(placed, placed, feed) is None
