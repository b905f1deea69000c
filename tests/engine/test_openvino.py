"""engine="openvino": what a host's processes share, memory of results, refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe.engine.opening import Opening, open_engine
from bigdl_caffe.engine.openvino import open_openvino
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.host_folder import own_folder
from tests.engine.foreign import a_folder_for_both, half, opened
from tests.nets import digits

__all__ = ["a_folder_for_both"]

NAME = "openvino"


def test_predict(rows: np.ndarray) -> None:
    model = digits()
    want = model.run({"data": rows})["prob"]
    for batch in (1, 3, 7):
        np.testing.assert_allclose(model.predict(rows, batch, engine=NAME), want, atol=1e-5)


def test_results_are_memory_of_their_own() -> None:
    compute = open_openvino(opened(NAME, digits()))
    first = compute({"data": torch.ones(2, 1, 8, 8)})["prob"]
    kept = first.clone()
    compute({"data": torch.rand(2, 1, 8, 8)})
    assert torch.equal(first, kept)


def test_a_host_compiles_once() -> None:
    opening = opened(NAME, digits(), shared=True)
    x = {"data": torch.rand(4, 1, 8, 8)}
    first = open_openvino(opening)(x)["prob"]
    made = {path: path.stat().st_mtime_ns for path in _files()}
    assert torch.equal(open_openvino(opening)(x)["prob"], first)
    assert {path.name for path in _files()} == {path.name for path in made}


def test_what_was_cut_short_is_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    opening = opened(NAME, digits(), shared=True)
    x = {"data": torch.rand(4, 1, 8, 8)}
    first = open_openvino(opening)(x)["prob"]
    max(_files(), key=lambda path: path.stat().st_mtime).write_bytes(b"")
    assert torch.equal(open_openvino(opening)(x)["prob"], first)
    assert "it is made anew" in caplog.text


def _files() -> list[Path]:
    return [path for path in (own_folder() / NAME).iterdir() if path.name != "lock"]


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, NAME, None)
    with pytest.raises(CaffeError, match=r"pip install bigdl-caffe\[openvino\]"):
        digits().predict(np.zeros((1, 1, 8, 8)), engine=NAME)


def test_a_half_precision_model_is_refused() -> None:
    model = half(digits())
    with pytest.raises(CaffeError, match=r"float32 on the CPU.*engine='torch'"):
        open_engine(NAME, Opening(model, model.outputs))
