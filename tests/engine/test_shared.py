"""What the processes of a host tell each other of an engine, and what they do not."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe import Model
from bigdl_caffe.engine import opening
from bigdl_caffe.engine.opening import Opening, open_engine
from bigdl_caffe.format import host_folder
from tests.engine.compare import assert_close
from tests.engine.test_opening import off_by, with_engine
from tests.nets import digits


@pytest.fixture(autouse=True)
def own_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))
    host_folder._warn.cache_clear()
    caplog.set_level(logging.WARNING)


def test_one_process_finds_out_for_all(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    checked = []
    true = opening.departure
    monkeypatch.setattr(opening, "departure", lambda *how: checked.append(1) or true(*how))
    with_engine(monkeypatch, off_by(1e-3))
    for _ in range(2):
        open_engine("odd", Opening(digits(), ("prob",), 4, shared=True))
    assert len(checked) == 1
    assert caplog.text.count("off by") == 2
    open_engine("odd", Opening(digits(), ("prob",), 4, shared=True, salt="another layer"))
    assert len(checked) == 2


def test_lacking_memory_says_nothing_of_an_engine(
    tmp_path: Path, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """The next process of the host, which may have it, finds out anew."""

    def lacks(model: Model) -> Any:
        def compute(feed: Any) -> Any:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

        return compute

    model = digits()
    given = Opening(model, ("prob",), 4, shared=True)
    with_engine(monkeypatch, lacks)
    run = open_engine("odd", given)
    np.testing.assert_array_equal(run({"data": rows})["prob"], model.run({"data": rows})["prob"])
    assert "engine 'odd' is not used: it does not open (RuntimeError" in caplog.text
    assert not list(tmp_path.rglob("checked/*-odd"))
    with_engine(monkeypatch, off_by(1e-5))
    assert (open_engine("odd", given)({"data": rows})["prob"] != run({"data": rows})["prob"]).all()


def test_without_a_folder_each_process_opens_for_itself(rows: np.ndarray, caplog: Any) -> None:
    host_folder.own_folder().chmod(0o755)
    model = digits()
    for size in (3, 4):
        run = open_engine("torch", Opening(model, ("prob",), size, shared=True))
        assert_close(run({"data": rows})["prob"], model.run({"data": rows})["prob"], "prob")
    (record,) = caplog.records
    assert "open to others" in record.getMessage()


def test_a_worker_without_a_folder_scores_unannounced(capsys: Any) -> None:
    from bigdl_caffe.spark.worker import _announce

    host_folder.own_folder().chmod(0o755)
    _announce(None, torch.device("cpu"), "float32", 0.0)
    assert capsys.readouterr().err == ""
