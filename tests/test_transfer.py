"""What is sent to a GPU and comes back: by which calls, and the same numbers where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from bigdl_caffe import transfer
from bigdl_caffe.engine.opening import Opening, open_engine
from bigdl_caffe.transfer import to_device, to_host
from tests.nets import digits

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
    ),
]
ARRAYS = {
    "x": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "y": np.ones((2, 1), np.float32),
}


class Calls(TorchFunctionMode):
    """Notes what torch is asked to copy without waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if (kwargs or {}).get("non_blocking"):
            self.made.append(function.__name__)
        return function(*args, **(kwargs or {}))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """Let the CPU pass for a GPU."""
    with Calls() as calls:

        def pinned(shape: torch.Size, dtype: torch.dtype) -> torch.Tensor:
            calls.made.append(f"pinned {dtype}")
            return torch.empty(shape, dtype=dtype)

        monkeypatch.setattr(transfer, "on_gpu", lambda tensor: True)
        monkeypatch.setattr(transfer, "pinned", pinned)
        monkeypatch.setattr(transfer, "arrived", lambda device: calls.made.append("arrived"))
        yield calls


@pytest.mark.parametrize(
    ("dtype", "sent"),
    [
        (torch.float32, torch.float32),
        (torch.float16, torch.float16),
        (torch.bfloat16, torch.bfloat16),
        (torch.float64, torch.float32),
    ],
)
def test_all_goes_through_pinned_memory_and_is_waited_for_once(
    calls: Calls, dtype: torch.dtype, sent: torch.dtype
) -> None:
    there = to_device(ARRAYS, torch.empty(0, dtype=dtype))
    assert calls.made == [f"pinned {sent}", "to"] * 2
    assert {tensor.dtype for tensor in there.values()} == {dtype}
    calls.made.clear()
    back = to_host(there)
    assert calls.made == [*[f"pinned {sent}", "copy_"] * 2, "arrived"]
    for blob, array in ARRAYS.items():
        assert back[blob].dtype == np.float32
        np.testing.assert_array_equal(back[blob], array)


def test_results_are_in_memory_and_order_of_their_own(calls: Calls) -> None:
    last = torch.from_numpy(ARRAYS["x"]).to(memory_format=torch.channels_last)
    found = to_host({"x": last, "n": torch.tensor([3], dtype=torch.int64)})
    assert found["x"].flags.c_contiguous
    assert not np.may_share_memory(found["x"], last.numpy())
    assert found["n"].tolist() == [3.0]
    assert calls.made.count("arrived") == 1


def test_the_cpu_takes_arrays_as_they_lie() -> None:
    there = to_device(ARRAYS, torch.empty(0))
    assert np.may_share_memory(there["x"].numpy(), ARRAYS["x"])
    assert np.may_share_memory(to_host(there)["x"], ARRAYS["x"])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("dtype", "off"), [(torch.float32, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 5e-2)]
)
def test_a_net_gives_the_same_there(device: str, dtype: torch.dtype, off: float) -> None:
    if (device, dtype) == ("cpu", torch.float16):
        pytest.skip("torch before 2.5 convolves no float16 on a CPU")
    model, moved = digits(), digits()
    moved.move(torch.device(device), dtype)
    rows = np.random.default_rng(0).random((5, 1, 8, 8), np.float32)
    want = model.forward(rows)
    np.testing.assert_allclose(moved.forward(rows), want, atol=off)
    run = open_engine("torch", Opening(moved, moved.outputs, 5, settled=True))
    np.testing.assert_allclose(run({"data": rows})["prob"], want, atol=off)
