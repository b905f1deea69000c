"""What several tests of ONNX files share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from tests.layers.golden import Array


def run(path: Path, feed: Mapping[str, Array]) -> dict[str, Array]:
    """Return what ONNX Runtime makes of the file at ``path``."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    asked = [i.name for i in session.get_inputs()]
    tops = session.run(None, {name: feed[name.removesuffix("~0")] for name in asked})
    return dict(zip([o.name for o in session.get_outputs()], tops, strict=True))
