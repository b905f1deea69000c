"""Weights into models that someone wrote: which layer goes where, and all or none of them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bigdl_caffe import CaffeError, Model, WeightMismatchError
from tests.compare import assert_close_to_caffe
from tests.paths import GOLDEN
from tests.weights.chain import CHAIN, LAYERS, Chain, assert_unchanged, state
from tests.weights.files import Files, write_files, write_weights


def test_a_module_takes_the_layer_of_its_name(chain: Files) -> None:
    module = Chain()
    assert Model.load_caffe(module, chain.prototxt, chain.caffemodel) is module
    x = np.random.default_rng(0).standard_normal((1, 3, 5, 5)).astype(np.float32)
    with torch.no_grad():
        assert_close_to_caffe(module(torch.from_numpy(x)), chain.model().forward(x))
    assert module.load_report.copied == LAYERS
    assert not module.load_report.remarkable


@settings(deadline=None, max_examples=30)
@given(kept=st.sets(st.sampled_from(LAYERS)), lost=st.sets(st.sampled_from(LAYERS)))
def test_what_is_renamed_or_not_in_the_file_keeps_every_bit(
    kept: set[str], lost: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("subset")
    files = write_files(folder, CHAIN)
    some = {name: blobs for name, blobs in files.blobs.items() if name not in lost}
    prototxt = folder / "some.prototxt"
    lines = CHAIN.strip().replace("\n  ", " ").splitlines()
    prototxt.write_text("\n".join(x for x in lines if not any(f"name: '{n}'" in x for n in lost)))
    caffemodel = write_weights(prototxt, folder / "some.caffemodel", some)
    whole = Chain()
    model = {
        f"new/{name}" if name in kept else name: whole.get_submodule(name.replace("/", "."))
        for name in LAYERS
    }
    before = state(whole)
    Model.load_caffe(model, files.prototxt, caffemodel, match_all=False)
    for name in LAYERS:
        module = whole.get_submodule(name.replace("/", "."))
        for (key, tensor), blob in zip(module.state_dict().items(), files.blobs[name], strict=True):
            old = before[f"{name.replace('/', '.')}.{key}"]
            expected = old if name in kept | lost else torch.from_numpy(blob)
            assert torch.equal(tensor, expected), name


class TestErrors:
    """Every problem in one error, and nothing changed."""

    def test_everything_at_once(self, chain: Files) -> None:
        module = Chain()
        module.block.conv = nn.Conv2d(4, 5, 2)
        module.ip = nn.Linear(36, 2)
        module.norm = nn.LayerNorm(3)
        module.extra = nn.Conv2d(1, 1, 1)
        module.slope = nn.Linear(2, 2)
        before = state(module)
        with pytest.raises(WeightMismatchError) as caught:
            Model.load_caffe(module, chain.prototxt, chain.caffemodel)
        assert_unchanged(module, before)
        assert not hasattr(module, "load_report")
        said = "\n".join(caught.value.problems)
        assert len(caught.value.problems) == 6  # weight and bias of the block's convolution
        assert "module 'norm' (LayerNorm): no Caffe layer has its parameters" in said
        assert "module 'extra' (Conv2d): the net has no layer of this name" in said
        assert "layer 'slope' (PReLU) is of another type than" in said
        assert "blob 0 (block.conv.weight) needs shape (5, 4, 2, 2)" in said
        assert "layer 'ip' needs 2 blobs (ip.weight, ip.bias)" in said

    def test_a_blob_without_a_bias_to_go_to(self, chain: Files) -> None:
        module = {"conv": nn.Conv2d(3, 4, 2, bias=False)}
        with pytest.raises(WeightMismatchError, match=r"needs 1 blobs .* has 2"):
            Model.load_caffe(module, chain.prototxt, chain.caffemodel, match_all=False)

    def test_a_layer_that_the_file_lacks(self, chain: Files, tmp_path: Path) -> None:
        blobs = {k: v for k, v in chain.blobs.items() if k != "ip"}
        text = chain.prototxt.read_text()
        (tmp_path / "less.prototxt").write_text(text[: text.index("layer { name: 'ip'")])
        less = write_weights(tmp_path / "less.prototxt", tmp_path / "less.caffemodel", blobs)
        module = Chain()
        before = state(module)
        with pytest.raises(WeightMismatchError, match=r"'ip' has no weights .* match_all=False"):
            Model.load_caffe(module, chain.prototxt, less)
        assert_unchanged(module, before)
        Model.load_caffe(module, chain.prototxt, less, match_all=False)
        assert module.load_report.kept == ("ip",)
        # The other file alone would do for it: together they have every layer.
        Model.load_caffe(module, chain.prototxt, [less, chain.caffemodel])
        assert not module.load_report.kept

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: nn.LSTM(5, 4, num_layers=2), "weight_hh_l1"),
            (lambda: nn.LSTM(5, 4, bidirectional=True), "weight_hh_l0_reverse"),
            (lambda: nn.LSTM(5, 4, bias=False), "keeps no bias_ih_l0, bias_hh_l0"),
            (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(5, 4)), "keeps no weight"),
            (lambda: nn.LazyLinear(4), "run the model once"),
            (lambda: nn.Linear(5, 4, device="meta"), "to_empty"),
            (lambda: nn.BatchNorm1d(4, track_running_stats=False), "keeps no running_mean"),
            (lambda: nn.MultiheadAttention(4, 2), "MultiheadAttention.*caffe_blobs"),
            (lambda: nn.GroupNorm(2, 4), "GroupNorm.*caffe_blobs"),
        ],
    )
    def test_a_module_that_cannot_take_a_layers_blobs(
        self, make: Any, words: str, chain: Files
    ) -> None:
        text = chain.prototxt.read_text()
        chain.prototxt.write_text(text.replace("'ip'", "'it'").replace("InnerProduct", "Mine"))
        with pytest.raises(WeightMismatchError, match=words):
            Model.load_caffe({"it": make()}, chain.prototxt, chain.caffemodel)

    def test_other_models_and_other_files(self, chain: Files) -> None:
        with pytest.raises(CaffeError, match="list cannot take weights"):
            Model.load_caffe([Chain()], chain.prototxt, chain.caffemodel)
        with pytest.raises(CaffeError, match="did you mean"):
            Model.load_caffe(Chain(), chain.prototxt, f"{chain.caffemodel}l")


class TestWhatStays:
    """Device, type, requires_grad, and the tensors themselves."""

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_the_type(self, dtype: torch.dtype, chain: Files) -> None:
        module = Chain().to(dtype)
        Model.load_caffe(module, chain.prototxt, chain.caffemodel)
        assert module.conv.weight.dtype is dtype
        expected = torch.from_numpy(chain.blobs["conv"][0]).to(dtype)
        assert torch.equal(module.conv.weight, expected)

    def test_what_is_frozen_and_what_learns(self, chain: Files) -> None:
        module = Chain()
        module.conv.requires_grad_(False)
        before = dict(module.named_parameters())
        Model.load_caffe(module, chain.prototxt, chain.caffemodel)
        assert all(before[name] is tensor for name, tensor in module.named_parameters())
        assert [p.requires_grad for p in module.parameters()] == [False, False] + [True] * 4
        assert all(p.grad_fn is None for p in module.parameters())

    def test_memory_in_another_order(self, chain: Files) -> None:
        module = Chain().to(memory_format=torch.channels_last)
        Model.load_caffe(module, chain.prototxt, chain.caffemodel)
        assert torch.equal(module.conv.weight, torch.from_numpy(chain.blobs["conv"][0]))
        assert module.conv.weight.is_contiguous(memory_format=torch.channels_last)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_the_device(self, chain: Files) -> None:
        module = Model.load_caffe(Chain().cuda(), chain.prototxt, chain.caffemodel)
        assert module.conv.weight.is_cuda
        assert torch.equal(module.conv.weight.cpu(), torch.from_numpy(chain.blobs["conv"][0]))


def test_legacy_shapes_are_the_same_shape(tmp_path: Path) -> None:
    case = GOLDEN / "weights" / "legacy_4d"
    module = {"ip": nn.Linear(36, 6), "conv": nn.Conv2d(3, 4, 3)}
    Model.load_caffe(module, case / "net.prototxt", case / "w.caffemodel", match_all=False)
    model = Model.load_caffe_model(case / "net.prototxt", case / "w.caffemodel", strict=False)
    assert torch.equal(module["ip"].weight, model.params["ip"][0])


def test_the_phase_chooses_among_layers_of_one_name(tmp_path: Path) -> None:
    text = """input: 'x' input_shape { dim: 1 dim: 2 }
    layer { name: 'ip' type: 'InnerProduct' bottom: 'x' top: 'y' include { phase: TEST }
      inner_product_param { num_output: 2 } }
    layer { name: 'ip' type: 'InnerProduct' bottom: 'x' top: 'y' include { phase: TRAIN }
      inner_product_param { num_output: 2 transpose: true } }"""
    files = write_files(tmp_path, text)
    for phase in ("TEST", "TRAIN"):
        module = Model.load_caffe(
            {"ip": nn.Linear(2, 2)}, files.prototxt, files.caffemodel, phase=phase
        )["ip"]
        stored = torch.from_numpy(files.blobs["ip"][0])
        assert torch.equal(module.weight, stored if phase == "TEST" else stored.t())


def test_one_module_under_two_names_takes_the_files_last(tmp_path: Path) -> None:
    ip = "type: 'InnerProduct' bottom: 'x' inner_product_param { num_output: 2 }"
    text = f"""input: 'x' input_shape {{ dim: 1 dim: 2 }}
    layer {{ name: 'a' top: 'p' {ip} }} layer {{ name: 'b' top: 'q' {ip} }}"""
    files = write_files(tmp_path, text)
    module = nn.Linear(2, 2)
    Model.load_caffe({"b": module, "a": module}, files.prototxt, files.caffemodel)
    assert torch.equal(module.weight, torch.from_numpy(files.blobs["b"][0]))


def test_a_dicts_report_is_logged(chain: Files, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "bigdl_caffe"):
        Model.load_caffe({"ip": nn.Linear(36, 2, bias=False)}, chain.prototxt, chain.caffemodel)
    assert "1 layers copied; unused: conv, slope, block/conv" in caplog.text
