"""Every layer type against real Caffe: forward, backward, and what Caffe refuses."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import CaffeError
from tests.compare import assert_close_to_caffe
from tests.layers.golden import Array, Case, cases

SOURCES = {"Data", "HDF5Data", "ImageData", "MemoryData"}
"""Types whose tops come from files: tests/data holds their cases."""

CASES = [case for case in cases() if SOURCES.isdisjoint(case.meta.get("layer_types", ()))]
RUN = [case for case in CASES if not case.meta["error"] and not case.meta["random"]]
BACKWARD = [case for case in RUN if case.meta["backward"]]
OLDER = [case for case in RUN if len(list(case.versions)) > 1]

TAKEN = {
    "Legacy/unknown_field": "unknown fields are kept and reported, where Caffe stops",
    "PReLU/five_d": "computed on any number of axes, where a check of BVLC's stops at four",
    "Pooling/stochastic_test": "computed by the GPU's rule, where Caffe's CPU code stops",
}
REFUSED = [case for case in CASES if case.meta["error"] and case.name not in TAKEN]
WRONG_GRADIENT = {
    "Power/inplace": "Caffe's CPU code multiplies by scale twice when it works in place",
    "Normalize/inplace": "Caffe's CPU code takes the gradient from itself when it works in place",
}
AT_RUN_TIME = {
    "Net/reshape_ip_bad": {"x": np.zeros((2, 5, 3))},
    "BatchReindex/out_of_range": {"x": np.zeros((2, 3, 5, 6)), "idx": np.array([0, 2])},
}
AT_BACKWARD = {
    "ArgMax/force_backward": ["x"],
    "Embed/force_backward": ["x"],
    "Filter/force_backward": ["sel"],
    "InfogainLoss/force_backward_H": ["H"],
    "Threshold/force_backward": ["x"],
}


def params(cases: Iterable[Case]) -> list[object]:
    return [pytest.param(case, id=case.name) for case in cases]


def forward(case: Case, version: str = "") -> list[dict[str, Array]]:
    """Return every blob after each step."""
    model = case.load(version)
    steps = []
    for k in range(case.meta["steps"]):
        feed = {b: a for b, a in case.step(k, "in").items() if b in model.inputs}
        steps.append(model.run(feed, [b for b in case.tops(k) if b in model.blob_shapes]))
    return steps


@pytest.mark.parametrize("case", params(RUN))
def test_forward_gives_caffes_numbers(case: Case) -> None:
    model = case.load()
    for k in range(case.meta["steps"]):
        expected = {b: a for b, a in case.tops(k).items() if b in model.blob_shapes}
        assert set(model.outputs) <= set(expected)
        feed = {b: a for b, a in case.step(k, "in").items() if b in model.inputs}
        got = model.run(feed, list(expected))
        for blob, numbers in expected.items():
            assert_close_to_caffe(got[blob], numbers, what=f"step {k} {blob}")
        for key, numbers in case.step(k, "param_after").items():
            layer, _, index = key.rpartition("/")
            after = model.params[layer][int(index)].detach()
            assert_close_to_caffe(after, numbers, what=f"step {k} {key}")


@pytest.mark.parametrize("case", params(OLDER))
def test_older_forms_give_the_same_bits(case: Case) -> None:
    newest, *older = (forward(case, version) for version in case.versions)
    for steps in older:
        for ours, same in zip(steps, newest, strict=True):
            for blob in ours.keys() & same.keys():
                np.testing.assert_array_equal(ours[blob], same[blob], err_msg=blob)


@pytest.mark.parametrize("case", params(BACKWARD))
def test_backward_gives_caffes_gradients(case: Case) -> None:
    if case.name in WRONG_GRADIENT:
        pytest.skip(WRONG_GRADIENT[case.name])
    model = case.load()
    module = model.to_torch()
    for k in range(case.meta["steps"]):
        asked = case.step(k, "diff")
        feed = {
            b: torch.tensor(a).requires_grad_(b in asked) for b, a in case.step(k, "in").items()
        }
        above = {b: torch.tensor(a) for b, a in case.step(k, "topdiff").items()}
        tops = module(feed, list(above))
        terms = [(tops[b] * diff).sum() for b, diff in above.items() if tops[b].requires_grad]
        loss = sum(terms, start=torch.zeros((), requires_grad=True))
        module.zero_grad()
        loss.backward()
        for blob, x in feed.items():
            _check(x, asked.get(blob), f"step {k} {blob}")
        for layer, blobs in model.params.items():
            for i, blob in enumerate(blobs):
                key = f"{layer}/{i}"
                _check(blob, case.step(k, "paramdiff").get(key), f"step {k} {key}")


def _check(tensor: torch.Tensor, expected: object, what: str) -> None:
    if expected is not None:
        leaf = tensor if tensor.is_leaf else tensor._base  # a blob shared in another shape
        gradient = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        assert_close_to_caffe(gradient.view_as(tensor), expected, tol=1e-4, what=what)


@pytest.mark.parametrize("case", params(c for c in RUN if c.meta.get("loss_weights")))
def test_loss_is_the_weighted_sum_of_the_losses(case: Case) -> None:
    module = case.load().to_torch()
    feed = {b: torch.tensor(a) for b, a in case.step(0, "in").items()}
    weights = case.meta["loss_weights"]
    expected = sum(weights[b] * case.tops(0)[b].sum(dtype=np.float64) for b in weights)
    assert_close_to_caffe(module.loss(feed).detach(), expected)


def _at_load(case: Case) -> bool:
    return case.name not in AT_RUN_TIME and case.name not in AT_BACKWARD


@pytest.mark.parametrize("case", params(filter(_at_load, REFUSED)))
def test_what_caffe_refuses_is_refused(case: Case) -> None:
    with pytest.raises(CaffeError):
        case.load()


@pytest.mark.parametrize("case", params(c for c in REFUSED if c.name in AT_RUN_TIME))
def test_what_caffe_refuses_at_run_time_is_refused(case: Case) -> None:
    model = case.load()
    with pytest.raises(CaffeError):
        model.run(AT_RUN_TIME[case.name])


@pytest.mark.parametrize("case", params(c for c in REFUSED if c.name in AT_BACKWARD))
def test_what_caffe_cannot_differentiate_is_refused(case: Case) -> None:
    model = case.load()
    module = model.to_torch()
    feed = {
        b: torch.ones(shape).requires_grad_(b in AT_BACKWARD[case.name])
        for b, shape in model.inputs.items()
    }
    *_, top = module(feed).values()  # the inputs come first
    with pytest.raises(CaffeError, match="no backward pass"):
        top.sum().backward()
