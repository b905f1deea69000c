"""The ways to compute a net that are compared: other programs, and our engines.

Each is given a net's files and a batch size, and returns what computes one array of inputs to
one array of outputs, from numpy to numpy, in one thread. It is run in a process of its own.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child import serve
from benchmarks.machine import anonymous, peak, pin
from benchmarks.timing import seconds_each

Array = np.ndarray[Any, Any]
Run = Callable[[Array], Array]

REFERENCE = "OpenCV"
EXACT = "exact"
DEFAULT = "torch"


@dataclass(frozen=True)
class Net:
    """A net's files: Caffe's, and an ONNX file that `Model.to_onnx` wrote of them."""

    prototxt: Path
    caffemodel: Path
    onnx: Path
    batch: int


def opencv(net: Net) -> Run:
    import cv2

    cv2.setNumThreads(1)
    reader = cv2.dnn.readNetFromCaffe(str(net.prototxt), str(net.caffemodel))

    def run(data: Array) -> Array:
        reader.setInput(data)
        top: Array = reader.forward()
        return top

    return run


def module(net: Net) -> Run:
    import torch

    from bigdl_caffe import Model

    torch.set_num_threads(1)
    model = Model.load_caffe_model(net.prototxt, net.caffemodel)
    graph, (bottom,), (top,) = model.to_torch(), model.inputs, model.outputs

    def run(data: Array) -> Array:
        with torch.inference_mode():
            made: Array = graph({bottom: torch.from_numpy(data)})[top].numpy()
        return made

    return run


def onnxruntime(net: Net) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(net.onnx), options, providers=["CPUExecutionProvider"])
    (bottom,) = (each.name for each in session.get_inputs())

    def run(data: Array) -> Array:
        made: Array = session.run(None, {bottom: data})[0]
        return made

    return run


def openvino(net: Net) -> Run:
    import openvino as ov

    core = ov.Core()
    graph = core.read_model(str(net.onnx))
    graph.reshape([net.batch, *list(graph.input(0).get_partial_shape())[1:]])
    how: dict[str, Any] = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    how["INFERENCE_PRECISION_HINT"] = "f32"  # else it computes in bfloat16 where there is such
    request = core.compile_model(graph, "CPU", how).create_infer_request()

    def run(data: Array) -> Array:
        request.infer([data], share_inputs=True)
        made: Array = request.get_output_tensor(0).data.copy()
        return made

    return run


def engine(name: str, quantised: bool = False) -> Callable[[Net], Run]:
    """Return the way of one of our engines, as `Model.predict` opens it."""

    def way(net: Net) -> Run:
        import torch

        from bigdl_caffe import Model

        torch.set_num_threads(1)
        model = Model.load_caffe_model(net.prototxt, net.caffemodel)
        if quantised:
            model = _quantised(model)
        return lambda data: model.predict(data, batch_size=net.batch, engine=name)

    return way


def _quantised(model: Any) -> Any:
    (blob,) = model.inputs
    shape = (16, *model.inputs[blob][1:])
    rows = np.random.default_rng(2).standard_normal(shape, dtype=np.float32)
    return model.quantize(calibration=rows)


def engines() -> dict[str, Callable[[Net], Run]]:
    """Return the ways of all engines that there are, the default first."""
    from bigdl_caffe.engine.opening import ENGINES

    return {name: engine(name) for name in ENGINES}


PEERS: Mapping[str, Callable[[Net], Run]] = {
    REFERENCE: opencv,
    "plain torch": module,
    "onnxruntime by hand": onnxruntime,
    "OpenVINO by hand": openvino,
}
"""Other programs on the same files; the last two read our export."""


def ways() -> dict[str, Callable[[Net], Run]]:
    """Return all, by the name that tables have."""
    return {**PEERS, **engines(), "int8": engine(DEFAULT, quantised=True)}


class Warnings(logging.Handler):
    """Remembers what the package warned of: an engine that is not used says so."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the words."""
        self.seen.append(record.getMessage())


class Opened:
    """One way with a net opened, in a process of its own."""

    def __init__(self) -> None:
        self._before = 0.0
        self._warned = Warnings()
        logging.getLogger("bigdl_caffe").addHandler(self._warned)

    def open(self, way: str, net: dict[str, Any], shape: list[int], core: int) -> dict[str, Any]:
        """Open, run once, and hold all threads to ``core``."""
        make = ways()[way]
        self._warned.seen.clear()
        self._before = self._before or peak()
        files = {key: Path(net[key]) for key in ("prototxt", "caffemodel", "onnx")}
        self.data = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
        start = time.perf_counter()
        self.run = make(Net(**files, batch=net["batch"]))
        self.run(self.data)
        seconds = time.perf_counter() - start
        pin({core})
        return {"seconds": seconds, "warned": "; ".join(self._warned.seen)}

    def output(self, path: str) -> None:
        """Write what it computes."""
        np.save(path, self.run(self.data))

    def time(self) -> float:
        """Return the seconds of a batch."""
        return seconds_each(lambda: self.run(self.data))

    def memory(self) -> dict[str, float]:
        """Return the MiB that the net adds to the peak of the process, and its own now."""
        return {"peak": peak() - self._before, "private": anonymous()}


def child() -> None:
    """Serve one way."""
    opened = Opened()
    names = ("open", "output", "time", "memory")
    serve({name: getattr(opened, name) for name in names})


if __name__ == "__main__" and "--child" in sys.argv:
    child()
