"""Engines that are other programs', held against the exact path."""

from __future__ import annotations

import pytest
import torch

from bigdl_caffe import Model
from bigdl_caffe.engine.opening import ENGINES, Opening


@pytest.fixture(autouse=True)
def a_folder_for_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep graphs from test to test, and out of the user's folder."""
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path_factory.getbasetemp() / "host"))


def opened(name: str, model: Model, shared: bool = False) -> Opening:
    """Return for what an engine is opened, with the graph that Spark would send."""
    return Opening(ENGINES[name].sends(model, model.outputs), model.outputs, 4, shared)


def half(model: Model) -> Model:
    """Return the model in a type that these engines do not compute in."""
    model.to_torch().to(torch.float16)
    return model
