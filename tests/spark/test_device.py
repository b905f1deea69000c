"""The device of a task, without a GPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.device import is_out_of_memory, task_device


def task(*addresses: str) -> Any:
    """Return what Spark tells a task that has GPUs."""
    gpu = {"gpu": SimpleNamespace(addresses=list(addresses))} if addresses else {}
    return SimpleNamespace(resources=lambda: gpu)


def test_without_a_gpu_of_its_own_a_task_is_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert task_device(None) == task_device(task()) == torch.device("cpu")


@pytest.mark.parametrize(
    ("address", "visible", "index"),
    [
        ("2", None, 2),
        ("0", "", 0),
        ("3", "1,3", 1),
        ("GPU-abc", "GPU-x,GPU-abc", 1),
        ("0", "2,3", 0),  # a container numbers what it shows from 0
    ],
)
def test_the_gpu_that_spark_assigned(
    monkeypatch: pytest.MonkeyPatch, address: str, visible: str | None, index: int
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert task_device(task(address)) == torch.device("cuda", index)


@pytest.mark.parametrize("address", ["1", "GPU-unknown"])
def test_a_gpu_that_torch_does_not_see(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(CaffeError, match=f"assigned the GPU {address} .* sees 1 GPUs"):
        task_device(task(address))


def test_what_says_that_memory_is_lacking() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.cuda.OutOfMemoryError())
    assert not is_out_of_memory(RuntimeError("shapes differ"))
