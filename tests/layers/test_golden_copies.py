"""Every net of tests/golden, copied, stored, run row by row and in double precision."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe import CaffeError, Model
from tests.compare import assert_close_to_caffe
from tests.layers.golden import Case, fed, tensors
from tests.layers.pylayers import CONVERTERS
from tests.layers.test_golden import RUN, params

Array = np.ndarray[Any, Any]
Feed = Mapping[str, Array]


NOT_COPIED = {"Net/share_permissive": "torch copies no module that holds a view of a parameter"}
IN_ORDER = {"Net/mini_ssd": "boxes of equal scores come in another order"}


@pytest.mark.parametrize("case", params(c for c in RUN if c.name not in NOT_COPIED))
def test_copies_give_the_same_numbers(case: Case, tmp_path: Path) -> None:
    model = case.load()
    feed = fed(case, model)
    model.write_bundle(tmp_path / "net.arrow")
    opened = Model.open_bundle(tmp_path / "net.arrow", converters=CONVERTERS)
    module = model.to_torch()
    loaded = case.load().to_torch()
    loaded.load_state_dict(module.state_dict())
    copies = [copy.deepcopy(module), pickle.loads(pickle.dumps(module)), opened.to_torch(), loaded]
    expected = module(tensors(feed))
    for other in copies:
        for blob, got in other(tensors(feed)).items():
            assert_close_to_caffe(got.detach(), expected[blob].detach(), tol=1e-6, what=blob)


@pytest.mark.parametrize("case", params(c for c in RUN if c.name not in {*NOT_COPIED, *IN_ORDER}))
def test_double_precision_gives_caffes_numbers(case: Case) -> None:
    model = case.load()
    module = model.to_torch().double()
    expected = {b: a for b, a in case.tops(0).items() if b in model.blob_shapes}
    got = module(tensors(fed(case, model), torch.float64), list(expected))
    for blob, numbers in expected.items():
        assert got[blob].dtype == torch.float64
        assert_close_to_caffe(got[blob].detach(), numbers, what=blob)


def test_rows_run_alone_are_rows_run_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """For every net that says so of itself, which is what scoring in batches rests on."""
    checked = 0
    for case in RUN:
        monkeypatch.chdir(case.folder)
        model = case.load()
        rows = {b: np.concatenate([a, a[::-1] + 1, a / 2])[:5] for b, a in fed(case, model).items()}
        if not model.row_wise() or len({len(a) for a in rows.values()}) != 1:
            continue
        with suppress(CaffeError):  # where these are no values of such an input
            together = model.run(rows)
            check_rows(model, rows, together, case.name)
            checked += 1
    assert checked > 200


def check_rows(
    model: Model, rows: Mapping[str, Array], together: Mapping[str, Array], name: str
) -> None:
    for i in range(len(next(iter(rows.values())))):
        model.reset()
        alone = model.run({b: a[i : i + 1] for b, a in rows.items()})
        for blob, numbers in together.items():
            assert_close_to_caffe(alone[blob], numbers[i : i + 1], what=f"{name} {blob}, row {i}")
