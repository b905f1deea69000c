"""Data layers against what real Caffe showed on each forward pass."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

from bigdl_caffe.data import SOURCES, batches
from tests.compare import assert_close_to_caffe
from tests.data.nets import golden_net, known_shapes
from tests.layers.golden import Case, cases

CASES = [c for c in cases() if c.name.split("/")[0] in SOURCES and not c.meta["error"]]
SAME_EACH_TIME = [case for case in CASES if not case.meta["random"]]


def given(case: Case) -> dict[str, Any]:
    file = case.folder / "memory_data.npz"
    if not file.exists():
        return {}
    with np.load(file) as arrays:
        return {"data": arrays["data"], "label": arrays["labels"]}


def test_there_are_cases() -> None:
    assert {case.name.split("/")[0] for case in CASES} == SOURCES.keys() - {
        "AnnotatedData",
        "WindowData",
    }


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in SAME_EACH_TIME])
def test_every_forward_pass_shows_caffes_numbers(case: Case) -> None:
    for version in case.versions:
        net = golden_net(case.folder, version, case.meta["phase"])
        found = batches(net, root=case.folder, arrays=given(case))
        for k, batch in enumerate(islice(found, case.meta["steps"])):
            expected = case.tops(k)
            assert batch.keys() == expected.keys()
            for blob, numbers in expected.items():
                assert batch[blob].dtype == np.float32
                assert_close_to_caffe(batch[blob], numbers, what=f"{version} step {k} {blob}")


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES])
def test_shapes_are_told_by_the_data(case: Case) -> None:
    net = golden_net(case.folder, phase=case.meta["phase"])
    expected = {blob: array.shape for blob, array in case.tops(0).items()}
    assert known_shapes(net, case.folder) == expected
