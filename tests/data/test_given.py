"""MemoryData and DummyData: data without files."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

from bigdl_caffe.errors import CaffeError
from tests.data.nets import read

MEMORY = "memory_data_param { batch_size: 2 channels: 1 height: 2 width: 3 }"
ROWS = np.arange(24.0).reshape(4, 1, 2, 3)


def memory(**arrays: Any) -> Any:
    return read("MemoryData", MEMORY, arrays=arrays)


def test_arrays_are_shown_batch_by_batch_and_again() -> None:
    found = list(islice(memory(data=ROWS, label=np.arange(4)), 3))
    assert [batch["label"].ravel().tolist() for batch in found] == [[0, 1], [2, 3], [0, 1]]
    np.testing.assert_array_equal(found[1]["data"], ROWS[2:])
    assert found[0]["label"].shape == (2, 1, 1, 1)
    assert found[0]["data"].dtype == np.float32


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"data": ROWS}, r"no array for 'label': give arrays=\{'data': ..., 'label': ...\}"),
        ({"data": ROWS[:, 0], "label": np.arange(4)}, r"has to be \(n, 1, 2, 3\)"),
        ({"data": ROWS, "label": np.arange(3)}, "one label for each of the 4 rows"),
        ({"data": ROWS[:3], "label": np.arange(3)}, "a multiple of batch_size, which is 2"),
        ({"data": ROWS[:0], "label": np.arange(0)}, "have 0 rows"),
        ({"data": ROWS, "label": np.arange(4), "x": ROWS}, "'x'.*no data layer"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(CaffeError, match=words):
        next(memory(**arrays))


def test_memory_data_has_a_shape_and_two_tops() -> None:
    with pytest.raises(CaffeError, match="channels, height and width"):
        read("MemoryData", "memory_data_param { batch_size: 2 }")
    with pytest.raises(CaffeError, match="it makes exactly 2 top blobs and has 1"):
        read("MemoryData", MEMORY, tops=1)


def dummy(*fillers: str, **how: Any) -> Any:
    made = " ".join(f"data_filler {{ {filler} }}" for filler in fillers)
    shape = "shape { dim: 50 dim: 40 } shape { dim: 7 }"
    return read("DummyData", f"dummy_data_param {{ {made} {shape} }}", **how)


def test_constant_tops_stay_and_random_ones_are_filled_anew() -> None:
    found = list(islice(dummy("value: 3", "type: 'uniform' min: -2 max: 5", seed=0), 2))
    assert all((batch["data"] == 3).all() for batch in found)
    assert not np.array_equal(found[0]["label"], found[1]["label"])
    assert found[0]["label"].shape == (7,)


def test_a_seed_fills_the_same_again() -> None:
    first, again, other = (next(dummy("type: 'gaussian'", seed=s))["data"] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert abs(first.mean()) < 0.1
    assert abs(first.std() - 1) < 0.1


@pytest.mark.parametrize(
    ("fillers", "words"),
    [
        (["value: 1"] * 3, "3 data_filler for 2 tops"),
        (["type: 'none'"], "no filler type 'none'"),
    ],
)
def test_fillers_that_caffe_refuses(fillers: list[str], words: str) -> None:
    with pytest.raises(CaffeError, match=words):
        next(dummy(*fillers))
