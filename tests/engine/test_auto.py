"""engine="auto": what it chooses from, what it leaves out, and that a host chooses once."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from torch import Tensor

from bigdl_caffe.engine import auto, onnx_graph, opening
from bigdl_caffe.engine.eager import open_torch
from bigdl_caffe.engine.opening import ENGINES, Engine, Opening, open_engine
from bigdl_caffe.errors import CaffeError, UnsupportedLayerError
from bigdl_caffe.format.host_folder import own_folder
from tests.engine.foreign import a_folder_for_both
from tests.nets import digits

__all__ = ["a_folder_for_both"]


def wrong(given: Opening) -> auto.Compute:
    """Open an engine whose numbers are off."""
    right = open_torch(given)

    def compute(feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {blob: top + 1 for blob, top in right(feed).items()}

    return compute


def missing(given: Opening) -> auto.Compute:
    """Fail to open."""
    raise CaffeError("its package is missing")


def failing(given: Opening) -> auto.Compute:
    """Fail in a way that nobody has foreseen."""
    raise ValueError("of another's code")


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be an engine that is wrong, and two that do not open."""
    opens = (("a", wrong), ("b", missing), ("c", failing))
    added = {name: Engine(name, "", open) for name, open in opens}
    monkeypatch.setattr(opening, "ENGINES", {**ENGINES, **added})
    monkeypatch.setenv(auto.ASKED, "a, b, torch")


def test_predict(rows: np.ndarray) -> None:
    model = digits()
    want = model.run({"data": rows})["prob"]
    np.testing.assert_allclose(model.predict(rows, 4, engine="auto"), want, atol=1e-5)


def test_a_net_that_onnx_cannot_express_is_exported_in_vain_once(
    monkeypatch: pytest.MonkeyPatch, rows: np.ndarray
) -> None:
    asked: list[object] = []

    def export(*given: object) -> None:
        asked.append(given)
        raise UnsupportedLayerError("ONNX cannot express it")

    monkeypatch.setattr(onnx_graph, "_export", export)
    model = digits()
    monkeypatch.setattr(onnx_graph, "told_once", lambda kind, name, make: make())
    for _ in range(3):
        model.predict(rows, 4, engine="auto")
    assert len(asked) == 1


def test_engines_that_fail_are_left_out(three: None, caplog: pytest.LogCaptureFixture) -> None:
    model = digits()
    open_engine("auto", Opening(model, model.outputs, 2))
    assert "leaves 'a' out: 'prob' is off by" in caplog.text
    assert "leaves 'b' out: its package is missing" in caplog.text


def test_a_host_times_once_and_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = digits()
    given = Opening(model, model.outputs, 2, shared=True)
    monkeypatch.setenv(auto.ASKED, "torch,onnxruntime")
    open_engine("auto", given)
    told = [path for path in (own_folder() / "auto").iterdir() if path.name != "lock"]
    times = json.loads(max(told, key=lambda path: path.stat().st_mtime).read_text())
    assert set(times) == {"torch", "onnxruntime"}
    assert all(seconds > 0 for seconds in times.values())
    monkeypatch.setattr(auto, "_times", None)  # what is there is taken
    open_engine("auto", replace(given, model=digits()))


@pytest.mark.parametrize("damaged", ["", "{}", "[1]", '{"warp": 1}', '{"torch": null}'])
def test_times_that_are_damaged_are_measured_anew(
    damaged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = digits()
    given = Opening(model, model.outputs, 3, shared=True, salt=damaged)
    monkeypatch.setenv(auto.ASKED, "torch")
    open_engine("auto", given)
    told = [path for path in (own_folder() / "auto").iterdir() if given.key in path.name]
    assert [path.write_text(damaged) for path in told] == [len(damaged)]
    open_engine("auto", given)
    assert set(json.loads(told[0].read_text())) == {"torch"}


def test_the_log_tells_the_times(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model = digits()
    monkeypatch.setenv(auto.ASKED, "torch,onnxruntime")
    open_engine("auto", Opening(model, model.outputs, 2))
    assert "seconds a batch" in caplog.text


@pytest.mark.parametrize("asked", ["exact", "auto", "quick"])
def test_names_that_cannot_be_chosen(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(auto.ASKED, asked)
    with pytest.raises(CaffeError, match=asked):
        open_engine("auto", Opening(digits(), ("prob",)))


@pytest.mark.parametrize("shared", [False, True])
def test_where_none_is_right_the_exact_path_is_taken(
    shared: bool,
    three: None,
    rows: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(auto.ASKED, "a,b,c")
    model = digits()
    run = open_engine("auto", Opening(model, ("prob",), 2, shared))
    np.testing.assert_array_equal(run({"data": rows})["prob"], model.run({"data": rows})["prob"])
    assert "leaves 'c' out: ValueError: of another's code" in caplog.text
