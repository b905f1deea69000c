"""Training nets against Caffe: each blob, the loss, and every parameter's gradient.

Their definitions are third-party, so they are read from ``../shared`` and not copied. The golden
run fed the data layers' tops and set each dropout_ratio to 0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bigdl_caffe import Model
from tests.compare import assert_close_to_stored
from tests.paths import SHARED

NETS = sorted((SHARED / "golden" / "nets" / "train").glob("*_train"))
pytestmark = pytest.mark.skipif(
    not NETS, reason="third-party nets are not part of the project: see ../shared/golden"
)


def _feed(meta: dict[str, Any]) -> dict[str, Tensor]:
    """Return what the golden run fed, from its seed."""
    random = np.random.RandomState(meta["seed"])
    data = random.standard_normal(meta["inputs"]["data"]).astype(np.float32)
    labels = random.randint(0, meta["classes"], meta["inputs"]["label"])
    return {"data": torch.from_numpy(data).double(), "label": torch.from_numpy(labels)}


@pytest.mark.parametrize("folder", NETS, ids=lambda folder: folder.name)
def test_training_nets(folder: Path) -> None:
    """In float64, as in tests/test_nets.py: what is left is what Caffe's float32 rounds."""
    meta = json.loads((folder / "meta.json").read_text())
    weights = folder / "weights.caffemodel"
    model = Model.load_caffe_model(folder / "net.prototxt", weights, phase="TRAIN")
    assert model.outputs == tuple(sorted(meta["outputs"]))
    module, feed = model.to_torch().double(), _feed(meta)
    module.loss(feed).backward()
    with np.load(folder / "io.npz") as golden:
        for layer, blobs in model.params.items():
            for i, blob in enumerate(blobs):
                gradient = torch.zeros_like(blob) if blob.grad is None else blob.grad
                assert_close_to_stored(gradient, golden, f"s0/paramdiff/{layer}/{i}", tol=1e-4)
                if f"s0/param_after/{layer}/{i}" in golden:  # BatchNorm's sums
                    assert_close_to_stored(blob, golden, f"s0/param_after/{layer}/{i}")
        for blob, top in module(feed, list(model.blob_shapes)).items():
            assert_close_to_stored(top.detach(), golden, f"s0/top/{blob}")
