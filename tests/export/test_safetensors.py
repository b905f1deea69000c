"""Weights as safetensors files, read back by the format's own library."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, load_model

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from tests.nets import digits, net

SHARED = """
input: "x" input_shape { dim: 2 dim: 3 }
layer { name: "a/1.0" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" }
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" }
  inner_product_param { num_output: 3 } }
"""


def test_has_the_state_dicts_names_and_bits(lenet: Model, tmp_path: Path) -> None:
    lenet.to_safetensors(tmp_path / "w.safetensors")
    read, ours = load_file(tmp_path / "w.safetensors"), lenet.to_torch().state_dict()
    assert read.keys() == ours.keys()
    for key, blob in ours.items():
        assert torch.equal(read[key], blob)


def test_names_are_layers_names(tmp_path: Path) -> None:
    model = net(tmp_path, SHARED)
    assert list(model.to_torch().state_dict()) == [
        "a/1_0.weight",
        "a/1_0.bias",
        "b.weight",
        "b.bias",
    ]


def test_a_shared_blob_is_there_once(tmp_path: Path) -> None:
    model, path = net(tmp_path, SHARED), tmp_path / "w.safetensors"
    model.to_safetensors(path)
    with safe_open(path, "np") as file:
        assert file.keys() == ["a/1_0.bias", "a/1_0.weight", "b.bias"]
        assert file.metadata() == {"format": "pt", "b.weight": "a/1_0.weight"}
    again = net(tmp_path, SHARED)
    assert load_model(again.to_torch(), path) == (set(), [])
    assert again.weights().blobs.keys() == model.weights().blobs.keys()
    for key, blob in model.weights().blobs.items():
        np.testing.assert_array_equal(again.weights().blobs[key], blob)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_keeps_the_type_that_the_module_was_given(dtype: torch.dtype, tmp_path: Path) -> None:
    model = digits()
    module = model.to_torch().to(dtype)
    model.to_safetensors(tmp_path / "w.safetensors")
    for key, blob in load_file(tmp_path / "w.safetensors").items():
        assert blob.dtype == dtype
        assert torch.equal(blob, module.state_dict()[key])


def test_appears_whole_or_not_at_all(lenet: Model, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"what was there")
    with pytest.raises(CaffeError, match="no such file"):
        lenet.to_safetensors(tmp_path / "missing" / "w.safetensors")
    lenet.to_safetensors(path)
    assert os.listdir(tmp_path) == ["w.safetensors"]
    assert set(load_file(path)) == set(lenet.to_torch().state_dict())


def test_writes_to_remote_paths(lenet: Model, tmp_path: Path) -> None:
    import fsspec

    lenet.to_safetensors("memory://models/w.safetensors")
    with fsspec.open("memory://models/w.safetensors") as file:
        (tmp_path / "w.safetensors").write_bytes(file.read())
    assert set(load_file(tmp_path / "w.safetensors")) == set(lenet.to_torch().state_dict())
