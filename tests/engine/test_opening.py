"""Engines by name: which is opened, when, and what becomes of one that is wrong."""

from __future__ import annotations

import copy
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe import Model
from bigdl_caffe.engine import onednn, opening
from bigdl_caffe.engine.local import KEPT, opened
from bigdl_caffe.engine.opening import ENGINES, Engine, Opening, open_engine
from bigdl_caffe.errors import CaffeError
from tests.engine.compare import assert_close
from tests.engine.test_passes import INPUT, act, conv
from tests.nets import digits, net


def with_engine(monkeypatch: pytest.MonkeyPatch, compute: Any) -> None:
    """Let there be an engine "odd" that does ``compute(model)`` of tensors."""
    odd = Engine("odd", "", lambda opening: compute(opening.model))
    monkeypatch.setattr(opening, "ENGINES", {**ENGINES, "odd": odd})


def off_by(size: float) -> Any:
    return lambda model: (
        lambda feed: {k: v + size for k, v in model.module(feed, ("prob",)).items()}
    )


def test_an_engine_that_is_off_is_not_used(
    lenet: Model, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    with_engine(monkeypatch, off_by(1e-3))
    run = open_engine("odd", Opening(lenet, ("prob",), 4))
    said = "engine 'odd' is not used: 'prob' is off by 1.0e-03, which may be 1e-04"
    assert said in caplog.text
    np.testing.assert_array_equal(run({"data": rows})["prob"], lenet.run({"data": rows})["prob"])


def test_an_engine_that_is_near_enough_is_used(
    lenet: Model, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    with_engine(monkeypatch, off_by(1e-5))
    run = open_engine("odd", Opening(lenet, ("prob",), 4))
    assert not caplog.records
    assert (run({"data": rows})["prob"] != lenet.run({"data": rows})["prob"]).all()


def fails(model: Model) -> Any:
    def compute(feed: Any) -> Any:
        raise RuntimeError("no such kernel")

    return compute


def cut(model: Model) -> Any:
    return lambda feed: {k: v[:1] for k, v in model.module(feed, ("prob",)).items()}


@pytest.mark.parametrize(
    ("compute", "reason"), [(fails, "RuntimeError: no such kernel"), (cut, "has the shape (1, 10)")]
)
def test_an_engine_that_fails_is_not_used(
    compute: Any, reason: str, lenet: Model, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    with_engine(monkeypatch, compute)
    open_engine("odd", Opening(lenet, ("prob",), 4))
    assert reason in caplog.text


def test_an_engine_that_does_not_open_is_not_used(
    lenet: Model, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """Unless it says why, and what to do: then it was asked for, and it is the caller's turn."""

    def opens_not(error: Exception) -> Any:
        def compute(model: Model) -> Any:
            raise error

        return compute

    with_engine(monkeypatch, opens_not(KeyError("conv")))
    run = open_engine("odd", Opening(lenet, ("prob",), 4))
    assert "engine 'odd' is not used: it does not open (KeyError: 'conv')" in caplog.text
    np.testing.assert_array_equal(run({"data": rows})["prob"], lenet.run({"data": rows})["prob"])
    with_engine(monkeypatch, opens_not(CaffeError("install it")))
    with pytest.raises(CaffeError, match="install it"):
        open_engine("odd", Opening(lenet, ("prob",), 4))


def test_threads_of_one_process_may_open_at_once(rows: np.ndarray) -> None:
    """Each takes an engine out to put it last: the other must not miss it."""
    model = digits()

    class Other(dict[object, Any]):
        """Another thread takes out what was just put in."""

        def __setitem__(self, key: object, run: Any) -> None:
            """Lose it."""

    model.opened = Other()
    assert_close(model.predict(rows), model.run({"data": rows})["prob"], "prob")


def test_other_threads_are_another_opening(rows: np.ndarray) -> None:
    model, before = digits(), torch.get_num_threads()
    run = opened(model, "torch", ("prob",), 4)
    try:
        torch.set_num_threads(before + 1)
        assert opened(model, "torch", ("prob",), 4) is not run
    finally:
        torch.set_num_threads(before)
    assert opened(model, "torch", ("prob",), 4) is run


def test_keys_tell_what_computes() -> None:
    model = digits()
    key = Opening(model, ("prob",), 4).key
    assert key == Opening(digits(), ("prob",), 4, shared=True).key
    model.to_torch().double()
    others = [Opening(digits(), *how).key for how in ((("ip1",), 4), (("prob",), 5))]
    assert len({key, Opening(model, ("prob",), 4).key, *others}) == 4


def test_unknown_engines(lenet: Model, rows: np.ndarray) -> None:
    with pytest.raises(CaffeError, match="engine is 'warp': give one of torch, "):
        lenet.predict(rows, engine="warp")


def test_exact_is_run_itself(lenet: Model, rows: np.ndarray) -> None:
    want = lenet.run({"data": rows})["prob"]
    alone = lenet.predict(rows, batch_size=1, engine="exact")
    np.testing.assert_array_equal(lenet.predict(rows, batch_size=4, engine="exact"), alone)
    np.testing.assert_array_equal(lenet.predict(rows[2:3], engine="exact"), alone[2:3])
    assert_close(alone, want, "prob")
    assert_close(lenet.predict(rows), want, "prob")
    by_class = [lenet.predict_class(rows, engine=engine) for engine in ("torch", "exact")]
    np.testing.assert_array_equal(*by_class)


def test_no_rows_at_a_time(lenet: Model, rows: np.ndarray, caplog: Any) -> None:
    with pytest.raises(CaffeError, match="batch_size is 0: it must be 1 or more"):
        lenet.predict(rows, batch_size=0)
    assert not caplog.records


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_model_that_was_used_can_be_copied_and_pickled(copied: Any, rows: np.ndarray) -> None:
    model = digits()
    want = model.predict(rows)
    other = copied(model)
    assert not other.opened
    np.testing.assert_array_equal(other.predict(rows), want)


def test_changed_weights_are_seen(rows: np.ndarray) -> None:
    model = digits()
    first = model.predict(rows)
    for value in (0.0, 1.0):
        model.params["ip2"][1].data[3] = value * 100
        assert_close(model.predict(rows), model.run({"data": rows})["prob"], "prob")
    assert np.abs(model.predict(rows) - first).max() > 0.1


def test_engines_that_were_not_used_long_go(rows: np.ndarray) -> None:
    model = digits()
    for size in range(1, KEPT + 3):
        model.predict(rows, batch_size=size)
    assert len(model.opened) == KEPT
    run = opened(model, "torch", ("prob",), KEPT + 2)
    assert run is opened(model, "torch", ("prob",), KEPT + 2)


def test_a_probe_teaches_nothing(tmp_path: Path, caplog: Any) -> None:
    """In the TRAIN phase BatchNorm would have learned from it, and Dropout departs."""
    text = "\n".join([INPUT, conv("x", "c"), act("BatchNorm", "c"), act("Dropout", "c")])
    model = net(tmp_path, text, phase="TRAIN")
    (mean, _, factor) = model.module.layer_modules()[-2].buffers()
    model.predict(np.ones((1, 3, 5, 5), np.float32))
    assert factor.item() == 1
    assert mean.abs().max() > 0
    assert not caplog.records


LSTM = """
input: "x" input_shape { dim: 4 dim: 1 dim: 3 } input: "cont" input_shape { dim: 4 dim: 1 }
layer { name: "dead" type: "InnerProduct" bottom: "x" top: "dead" inner_product_param {
  axis: 2 num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "h" recurrent_param {
  num_output: 2 weight_filler { type: "uniform" min: -1 max: 1 } } }
"""


def test_each_predict_begins_anew(tmp_path: Path) -> None:
    model = net(tmp_path, LSTM)
    assert not model.row_wise(["h"])
    x = np.random.default_rng(0).standard_normal((4, 1, 3), np.float32)
    feed = {"x": x, "cont": np.ones((4, 1), np.float32)}
    found = [model.predict(feed, fetch=["h"]) for _ in range(3)]
    want = model.predict(feed, fetch=["h"], engine="exact")
    for got in found:
        assert_close(got, want, "h")


@pytest.mark.parametrize("missing", ["kernels", "mapping"])
def test_an_older_torch(
    missing: str, tmp_path: Path, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))
    if missing == "kernels":
        monkeypatch.setattr(onednn, "available", lambda: False)
    else:
        monkeypatch.setattr("bigdl_caffe.engine.eager.can_map", lambda: False)
    model = digits()
    run = open_engine("torch", Opening(model, ("prob",), 4, shared=True))
    assert_close(run({"data": rows})["prob"], model.run({"data": rows})["prob"], "prob")
    assert not caplog.records


def test_other_layers_get_contiguous_memory(tmp_path: Path) -> None:
    """What knows nothing of channels-last is given Caffe's order, behind a packed convolution."""
    from bigdl_caffe import Layer

    class Flat(Layer):
        """Takes the memory as it lies."""

        def module(self, bottoms: Any) -> torch.nn.Module:
            class AsItLies(torch.nn.Module):
                def forward(self, x: torch.Tensor) -> torch.Tensor:
                    assert x.is_contiguous()
                    return torch.as_strided(x, x.shape, x.stride()).cumsum(1)

            return AsItLies()

    text = "\n".join([INPUT, conv("x", "c"), act("Flat", "c", "f"), conv("f", "y")])
    model = net(tmp_path, text, converters={"Flat": Flat})
    x = np.random.default_rng(0).standard_normal((4, 3, 5, 5), np.float32)
    run = open_engine("torch", Opening(model, ("y",), 4))
    assert_close(run({"x": x})["y"], model.run({"x": x}, ["y"])["y"], "y")


@pytest.fixture(autouse=True)
def warnings_are_heard(caplog: Any) -> None:
    caplog.set_level(logging.WARNING)
