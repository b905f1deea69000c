"""What recurrent nets carry from one call to the next, and what they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bigdl_caffe import Model
from tests.nets import net

STEPS, STREAMS, INPUTS = 5, 2, 3
LSTM = f"""
input: "x" input_shape {{ dim: {STEPS} dim: {STREAMS} dim: {INPUTS} }}
input: "cont" input_shape {{ dim: {STEPS} dim: {STREAMS} }}
layer {{ name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "h" recurrent_param {{
  num_output: 4 weight_filler {{ type: "xavier" }} }} }}
"""


def lstm(folder: Path) -> tuple[Model, dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    x = random.standard_normal((STEPS, STREAMS, INPUTS)).astype(np.float32)
    return net(folder, LSTM), {"x": x, "cont": np.ones((STEPS, STREAMS), np.float32)}


def test_run_carries_the_state_on_as_caffe_does(tmp_path: Path) -> None:
    model, feed = lstm(tmp_path)
    first, second = model.run(feed)["h"], model.run(feed)["h"]
    assert np.abs(first - second).max() > 1e-3
    model.reset()
    np.testing.assert_array_equal(model.run(feed)["h"], first)


def test_predict_begins_anew_and_goes_through_the_steps_in_order(tmp_path: Path) -> None:
    model, feed = lstm(tmp_path)
    whole = model.run(feed)["h"]
    np.testing.assert_allclose(model.predict(feed), whole, atol=1e-6)
    np.testing.assert_allclose(model.predict(feed), whole, atol=1e-6)
