"""Packed weights in one file: the same numbers from it, by several processes, and damaged."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe import Model
from bigdl_caffe.engine import onednn, packed
from bigdl_caffe.engine.eager import open_torch
from bigdl_caffe.engine.opening import Opening
from bigdl_caffe.errors import CaffeFormatError
from tests.engine.compare import assert_close
from tests.nets import digits, net

needs_mapping = pytest.mark.skipif(
    not (onednn.available() and packed.can_map()),
    reason="this torch has no packed weights over memory that is there",
)


@pytest.fixture
def lenet() -> Model:
    """Return a model whose weights no other test holds: those would not be packed."""
    return digits()


@pytest.fixture(autouse=True)
def own_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("packed/*") if path.name != "lock")


def opened(model: Model) -> np.ndarray:
    """Return what a shared engine makes of rows of ones."""
    compute = open_torch(Opening(model, ("prob",), 4, shared=True))
    (shape,) = model.inputs.values()
    feed = {"data": np.ones((4, *shape[1:]), np.float32)}
    return model.through(compute, feed, ("prob",))["prob"]


def exact(model: Model) -> np.ndarray:
    (shape,) = model.inputs.values()
    return model.run({"data": np.ones((4, *shape[1:]), np.float32)}, ["prob"])["prob"]


@needs_mapping
def test_one_file_for_all(tmp_path: Path, lenet: Model) -> None:
    assert_close(opened(lenet), exact(lenet), "prob")
    (path,) = files(tmp_path)
    made = path.stat().st_mtime_ns, path.stat().st_ino
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        other = pool.apply(in_another_process)
    np.testing.assert_array_equal(other, opened(lenet))
    assert files(tmp_path) == [path]
    assert path.stat().st_ino == made[1]
    assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0


def in_another_process() -> np.ndarray:
    return opened(digits())


@needs_mapping
@pytest.mark.parametrize("left", [0, 5, 100, -1, -4096])
def test_a_file_cut_short_is_made_anew(left: int, tmp_path: Path, lenet: Model) -> None:
    opened(lenet)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    with pytest.raises(CaffeFormatError, match="no whole file of packed weights"):
        packed.read_packed(path)
    assert_close(opened(lenet), exact(lenet), "prob")
    assert path.read_bytes() == whole


@needs_mapping
def test_what_other_rules_packed_is_not_taken(
    tmp_path: Path, lenet: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(lenet)
    (path,) = files(tmp_path)
    mapped = packed.read_packed(path)
    name = next(iter(mapped))
    path.unlink()  # the mapping keeps it
    with path.open("xb") as out:
        packed.write_packed(out, [(name, mapped[name])])
    assert_close(opened(lenet), exact(lenet), "prob")
    assert files(tmp_path) == [path]
    monkeypatch.setattr("bigdl_caffe.engine.eager.LAYOUT", 0)
    opened(lenet)
    assert len(files(tmp_path)) == 2


@needs_mapping
def test_an_index_that_is_damaged_is_seen(tmp_path: Path, lenet: Model) -> None:
    opened(lenet)
    (path,) = files(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[-40] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CaffeFormatError):
        packed.read_packed(path)


def places(path: Path) -> list[tuple[int, int]]:
    """Return where this process has ``path`` mapped."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    parts = [line.split()[0].split("-") for line in lines if line.endswith(str(path))]
    return [(int(start, 16), int(end, 16)) for start, end in parts]


def weights_in(compute: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Yield the weights, not the biases, that ``compute`` holds."""
    for module in compute.modules():
        held = [module.parameters(recurse=False), *vars(module).values()]
        for some in held:
            many = some if isinstance(some, (tuple, Iterator)) else [some]
            yield from (each for each in many if isinstance(each, torch.Tensor) and each.dim() > 1)


WIDE = """
input: "x" input_shape { dim: 1 dim: 128 dim: 16 dim: 16 }
layer { name: "a" type: "Convolution" bottom: "x" top: "a" convolution_param {
  num_output: 128 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "b" type: "Convolution" bottom: "a" top: "b" convolution_param {
  num_output: 8 kernel_size: 1 weight_filler { type: "msra" } } }
layer { name: "br" type: "ReLU" bottom: "b" top: "b" }
layer { name: "ip" type: "InnerProduct" bottom: "b" top: "ip" inner_product_param {
  num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "ipr" type: "ReLU" bottom: "ip" top: "ip" }
"""


@needs_mapping
@pytest.mark.parametrize("rows", [1, 4])
def test_what_int8_weights_mean_is_in_memory_once(rows: int, tmp_path: Path) -> None:
    """A net whose weights alone are int8 computes in floats, which no process has for itself."""
    model = net(tmp_path, WIDE).quantize()
    compute = open_torch(Opening(model, ("ip",), rows, shared=True))
    (path,) = files(tmp_path)
    weights = list(weights_in(compute))
    assert {each.numel() for each in weights} >= {128 * 128 * 9, 128 * 8, 8 * 16 * 16 * 10}
    for each in weights:
        address = torch.ops.mkldnn.data_ptr(each) if each.is_mkldnn else each.data_ptr()
        assert any(start <= address < end for start, end in places(path)), each.shape
    for some in (rows, 1):
        feed = {"x": np.random.default_rng(0).normal(size=(some, 128, 16, 16)).astype(np.float32)}
        got = model.through(compute, feed, ("ip",))["ip"]
        assert_close(got, model.run(feed, ["ip"])["ip"], "ip")


@needs_mapping
def test_a_tensor_keeps_the_file_mapped(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    plain = torch.arange(5000.0).view(50, 100)
    packed_one = torch.ops.mkldnn._reorder_linear_weight(plain, 4)
    with path.open("xb") as out:
        packed.write_packed(out, [("plain", plain.t()), ("packed", packed_one)])
    for name in ("plain", "packed"):
        tensor = packed.read_packed(path)[name]
        before = places(path)
        assert before, "it outlives what it came from"
        held = torch.nn.Module()
        held.packed = (tensor,)
        del tensor
        gc.collect()
        assert places(path) == before
        if name == "plain":
            assert torch.equal(held.packed[0], plain.t())
        del held
        gc.collect()
        if hasattr(torch.Tensor, "_use_count"):
            assert not places(path), "nothing needs it"


def test_without_mapping_each_process_packs(
    tmp_path: Path, lenet: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bigdl_caffe.engine.eager.can_map", lambda: False)
    assert_close(opened(lenet), exact(lenet), "prob")
    assert files(tmp_path) == []


@needs_mapping
def test_a_full_disk_is_no_reason_to_stop(lenet: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("bigdl_caffe.engine.eager.write_packed", full)
    assert_close(opened(lenet), exact(lenet), "prob")
