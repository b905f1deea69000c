"""Nets with channels last, as a GPU's half precision has them; what can be seen of it on a CPU."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe.engine import eager
from bigdl_caffe.engine.gpu import wants_channels_last, with_channels_last
from bigdl_caffe.engine.opening import Opening, open_engine
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.program import ProgramNet, program
from tests.engine.test_passes import INPUT, act, add, conv, ip, layer
from tests.nets import digits, net

NET = "".join(
    [
        INPUT,
        conv("x", "c"),
        act("ReLU", "c"),
        conv("c", "d"),
        add("c d", "s"),
        layer("Reshape", "s", "r", "reshape_param { shape { dim: 0 dim: 5 dim: 15 dim: 1 } }"),
        conv("s", "e"),
        ip("e", "p"),
    ]
)


def test_convolutions_make_channels_last_and_others_are_given_theirs(tmp_path: Path) -> None:
    model = net(tmp_path, NET)
    fetch = ("s", "r", "e", "p")
    turned = with_channels_last(optimised(program(model.module, fetch)))
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 5), np.float32)
    with torch.inference_mode():
        found = ProgramNet(turned)({"x": torch.from_numpy(x)})
    for blob, want in model.run({"x": x}, fetch).items():
        np.testing.assert_allclose(found[blob].numpy(), want, atol=1e-5)
    for blob in ("s", "e"):
        assert not found[blob].is_contiguous()
        assert found[blob].is_contiguous(memory_format=torch.channels_last)
    assert all(weight.is_contiguous() for weight in model.module.parameters())


def weights(kind: str, dtype: torch.dtype) -> Any:
    return [SimpleNamespace(device=torch.device(kind), dtype=dtype)]


def test_half_precision_on_a_gpu_wants_it() -> None:
    assert wants_channels_last(weights("cuda", torch.float16))
    assert wants_channels_last(weights("cuda", torch.bfloat16))
    assert not wants_channels_last(weights("cuda", torch.float32))
    assert not wants_channels_last(weights("cpu", torch.bfloat16))
    assert not wants_channels_last([])


@pytest.mark.parametrize("settled", [False, True])
def test_weights_that_may_change_stay_the_models_own(
    monkeypatch: pytest.MonkeyPatch, settled: bool
) -> None:
    monkeypatch.setattr(eager, "wants_channels_last", lambda tensors: True)
    model = digits()
    model.to_torch()
    run = open_engine("torch", Opening(model, model.outputs, settled=settled))
    rows = np.ones((1, 1, 8, 8), np.float32)
    before = run({"data": rows})["prob"]
    np.testing.assert_allclose(before, model.forward(rows), atol=1e-6)
    with torch.no_grad():
        model.params["conv2"][0].mul_(2)  # conv1, of one channel, lies in both orders
    assert np.allclose(run({"data": rows})["prob"], before) == settled
