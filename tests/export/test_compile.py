"""A model's torch module, taken whole by torch.compile and torch.export."""

from __future__ import annotations

import pytest
import torch

from tests.layers.golden import Case
from tests.layers.test_golden import RUN

NAMES = {
    *("BatchNorm/bn_scale_relu", "Concat/axis0", "Convolution/axis2", "Crop/axis1"),
    *("Deconvolution/basic", "Eltwise/coeff", "Im2col/basic", "LRN/across_default", "LSTM/basic"),
    *("Legacy/v0_alexnet_like", "MVN/across", "Pooling/ave_clip_last", "Pooling/max_pad"),
    *("Net/siamese", "PReLU/channel_shared", "Scale/axis0", "SoftmaxWithLoss/basic"),
    "Normalize/default",
}
CASES = [pytest.param(case, id=case.name) for case in RUN if case.name in NAMES]


@pytest.fixture(autouse=True)
def in_the_cases_folder(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.folder)


def blobs(case: Case, kind: str) -> dict[str, torch.Tensor]:
    return {blob: torch.tensor(a) for blob, a in case.step(0, kind).items()}


@pytest.mark.parametrize("case", CASES)
def test_compiles_into_one_graph_forwards_and_backwards(case: Case) -> None:
    torch.compiler.reset()
    feed, asked = blobs(case, "in"), blobs(case, "diff")
    results = []
    for compiled in (False, True):
        module = case.load().to_torch()
        bottoms = {b: x.clone().requires_grad_(b in asked) for b, x in feed.items()}
        run = torch.compile(module, fullgraph=True, backend="aot_eager") if compiled else module
        tops = run(bottoms)
        sum(top.sum() for top in tops.values() if top.requires_grad).backward()
        gradients = {b: x.grad for b, x in bottoms.items() if x.grad is not None}
        results.append({**tops, **{f"{b} diff": x for b, x in gradients.items()}})
    eager, graph = results
    torch.testing.assert_close(graph, eager, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_exports(case: Case) -> None:
    feed = blobs(case, "in")
    expected = case.load().to_torch()(feed)
    program = torch.export.export(case.load().to_torch(), (feed,), strict=False)
    torch.testing.assert_close(program.module()(feed), expected, rtol=1e-4, atol=1e-5)
