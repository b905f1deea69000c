"""What Python does of a call, without a JVM."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.jvm.call import Call
from bigdl_caffe.jvm.calls import CALLS
from tests.nets import net

STEPS, CALLERS = 20, 4
LSTM = f"""
input: "x" input_shape {{ dim: {STEPS} dim: 1 dim: 8 }}
input: "cont" input_shape {{ dim: {STEPS} dim: 1 }}
layer {{ name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "y"
  recurrent_param {{ num_output: 4 weight_filler {{ type: "uniform" min: -1 max: 1 }} }} }}
"""


@pytest.fixture
def hasty() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty")
def test_sequences_of_many_callers_do_not_mix(tmp_path: Path) -> None:
    model = net(tmp_path, LSTM)
    numbers = np.random.default_rng(0).random((STEPS, 9)).astype("<f4").tobytes()

    def run(number: int) -> bytes:
        file = tmp_path / f"{number}.f32"
        file.write_bytes(numbers)
        shapes = {"x": [STEPS, 1, 8], "cont": [STEPS, 1]}
        CALLS["run"](Call({"model": model, "numbers": str(file), "shapes": shapes}))
        return file.read_bytes()

    alone = run(0)
    with ThreadPoolExecutor(CALLERS) as threads:
        assert set(threads.map(run, range(100))) == {alone}
