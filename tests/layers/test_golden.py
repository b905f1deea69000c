"""Every layer type against real Caffe: forward, backward, and what Caffe refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import CaffeError
from tests.compare import assert_close_to_caffe
from tests.layers.golden import Case, cases

RUN = [case for case in cases() if not case.meta["error"] and not case.meta["random"]]
BACKWARD = [case for case in RUN if case.meta["backward"]]
REFUSED = [case for case in cases() if case.meta["error"]]

WRONG_GRADIENT = {
    "Power/inplace": "Caffe's CPU code multiplies by scale twice when it works in place",
}
AT_RUN_TIME = {
    "Net/reshape_ip_bad": {"x": np.zeros((2, 5, 3))},
}


def params(cases: list[Case]) -> list[object]:
    return [pytest.param(case, id=case.name) for case in cases]


@pytest.mark.parametrize("case", params(RUN))
def test_forward_gives_caffes_numbers(case: Case) -> None:
    for version in case.versions:
        model = case.load(version)
        for k in range(case.meta["steps"]):
            expected = {b: a for b, a in case.tops(k).items() if b in model.blob_shapes}
            assert set(model.outputs) <= set(expected)
            feed = {b: a for b, a in case.step(k, "in").items() if b in model.inputs}
            got = model.run(feed, list(expected))
            for blob, numbers in expected.items():
                assert_close_to_caffe(got[blob], numbers, what=f"{version} step {k} {blob}")
            for key, numbers in case.step(k, "param_after").items():
                layer, _, index = key.rpartition("/")
                after = model.params[layer][int(index)].detach()
                assert_close_to_caffe(after, numbers, what=f"{version} step {k} {key}")


@pytest.mark.parametrize("case", params(BACKWARD))
def test_backward_gives_caffes_gradients(case: Case) -> None:
    if case.name in WRONG_GRADIENT:
        pytest.skip(WRONG_GRADIENT[case.name])
    model = case.load()
    module = model.to_torch()
    for k in range(case.meta["steps"]):
        feed = {b: torch.tensor(a).requires_grad_() for b, a in case.step(k, "in").items()}
        above = {b: torch.tensor(a) for b, a in case.step(k, "topdiff").items()}
        tops = module(feed, list(above))
        terms = [(tops[b] * diff).sum() for b, diff in above.items() if tops[b].requires_grad]
        loss = sum(terms, start=torch.zeros((), requires_grad=True))
        module.zero_grad()
        loss.backward()
        for blob, x in feed.items():
            _check(x, case.step(k, "diff").get(blob), f"step {k} {blob}")
        for layer, blobs in model.params.items():
            for i, blob in enumerate(blobs):
                key = f"{layer}/{i}"
                _check(blob, case.step(k, "paramdiff").get(key), f"step {k} {key}")


def _check(tensor: torch.Tensor, expected: object, what: str) -> None:
    if expected is not None:
        leaf = tensor if tensor.is_leaf else tensor._base  # a blob shared in another shape
        gradient = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        assert_close_to_caffe(gradient.view_as(tensor), expected, tol=1e-4, what=what)


@pytest.mark.parametrize("case", params([c for c in REFUSED if c.name not in AT_RUN_TIME]))
def test_what_caffe_refuses_is_refused(case: Case) -> None:
    with pytest.raises(CaffeError):
        case.load()


@pytest.mark.parametrize("case", params([c for c in REFUSED if c.name in AT_RUN_TIME]))
def test_what_caffe_refuses_at_run_time_is_refused(case: Case) -> None:
    model = case.load()
    with pytest.raises(CaffeError):
        model.run(AT_RUN_TIME[case.name])
