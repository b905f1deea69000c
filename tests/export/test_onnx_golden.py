"""Every golden net as an ONNX file: ONNX Runtime gives our numbers, or the net is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import Model
from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.export.onnx_layers import REASONS
from tests.compare import assert_close_to_caffe
from tests.export.onnx import run
from tests.layers.golden import Array, Case
from tests.layers.test_golden import RUN, params

pytestmark = pytest.mark.slow

BY_BATCH = {
    *("BatchNorm/test_batch_stats", "BatchNorm/train", "BatchNorm/train_fraction"),
    *("BatchNorm/train_inplace", "BatchNorm/train_zero_init", "BatchNorm/bn_scale_relu"),
    "Net/reshape_bn_train",
}
"""Nets that normalise by each batch, and keep its statistics."""

ALWAYS = REASONS.keys() - {"BatchNorm"}
REFUSED = [c for c in RUN if c.name in BY_BATCH or ALWAYS & set(c.meta["layer_types"])]
EXPORTED = [case for case in RUN if case not in REFUSED]


@pytest.fixture(autouse=True)
def in_the_cases_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(request.getfixturevalue("case").folder)


def given(case: Case, model: Model) -> dict[str, Array]:
    """Return what the case feeds first; zeros where it leaves data to a layer."""
    fed = case.step(0, "in")
    return {b: fed.get(b, np.zeros(shape, np.float32)) for b, shape in model.inputs.items()}


@pytest.mark.parametrize("case", params(EXPORTED))
def test_onnx_runtime_gives_our_numbers(case: Case, tmp_path: Path) -> None:
    model, path = case.load(), tmp_path / "net.onnx"
    model.to_onnx(path)
    feeds = [given(case, model)]
    if model.row_wise():
        feeds += [{blob: a[:1] for blob, a in feeds[0].items()}]
        feeds += [{blob: np.concatenate([a] * 3) for blob, a in feeds[0].items()}]
    for feed in feeds:
        model.reset()
        ours, theirs = model.run(feed), run(path, feed)
        assert list(ours) == list(theirs)
        for blob, numbers in ours.items():
            assert_close_to_caffe(theirs[blob], numbers, tol=1e-4, what=blob)


@pytest.mark.parametrize("case", params(REFUSED))
def test_what_onnx_cannot_express_is_refused_by_name(case: Case, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedLayerError) as caught:
        case.load().to_onnx(tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
    for problem in caught.value.problems:
        assert problem.endswith(tuple(f"({kind}): {why}" for kind, why in REASONS.items()))
