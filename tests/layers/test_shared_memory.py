"""Layers whose tops are their bottom's own memory: what works in place behind them shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import Model

X = np.array([[[-1.0, 2.0], [3.0, -4.0]]], np.float32)
NET = """
input: "x" input_shape { dim: 1 dim: 2 dim: 2 }
layer { name: "p" type: "Power" bottom: "x" top: "p" }
layer { name: "l" %s bottom: "p" top: "l" }
layer { name: "r" type: "ReLU" bottom: "l" top: "l" }
"""
SHARING = [
    "type: 'Flatten'",
    "type: 'Reshape' reshape_param { shape { dim: 4 } }",
    "type: 'Split'",
    "type: 'Split' top: 'l2'",
    "type: 'Concat'",
    "type: 'Slice'",
]
COPYING = [
    "type: 'Power'",
    "type: 'Concat' bottom: 'x'",
    "type: 'Slice' top: 'l1'",
    "type: 'Permute' permute_param { order: 0 }",
]


def _shown(layer: str, tmp_path: Path) -> np.ndarray:
    path = tmp_path / "net.prototxt"
    path.write_text(NET % layer)
    shown: np.ndarray = Model.load_caffe_model(path, None).run({"x": X}, ["p", "l"])["p"]
    return shown


@pytest.mark.parametrize("layer", SHARING)
def test_tops_that_share_their_bottoms_memory(layer: str, tmp_path: Path) -> None:
    np.testing.assert_array_equal(_shown(layer, tmp_path), np.maximum(X, 0))


@pytest.mark.parametrize("layer", COPYING)
def test_tops_of_their_own(layer: str, tmp_path: Path) -> None:
    np.testing.assert_array_equal(_shown(layer, tmp_path), X)
