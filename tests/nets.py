"""Small nets that several test files load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bigdl_caffe import Model
from tests.paths import REPO

DIGITS = REPO / "examples" / "digits"

TWO_IN = """
name: "two"
input: "a" input_shape { dim: 2 dim: 3 }
input: "b" input_shape { dim: 2 dim: 3 }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
layer { name: "neg" type: "Power" bottom: "sum" top: "neg" power_param { scale: -1 } }
layer { name: "twice" type: "Power" bottom: "sum" top: "twice" power_param { scale: 2 } }
"""


def digits() -> Model:
    """Return the example's LeNet, loaded anew."""
    return Model.load_caffe_model(DIGITS / "lenet.prototxt", DIGITS / "lenet.caffemodel")


def net(folder: Path, text: str, **how: Any) -> Model:
    """Return the net of a prototxt's ``text``, its weights from fillers."""
    path = folder / "net.prototxt"
    path.write_text(text)
    return Model.load_caffe_model(path, None, **how)
