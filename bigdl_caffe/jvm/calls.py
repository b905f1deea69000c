"""What the JVM can ask for: one function a call, in one table."""

from __future__ import annotations

import importlib
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, BinaryIO
from weakref import WeakKeyDictionary

import numpy as np

from bigdl_caffe.jvm import stages
from bigdl_caffe.jvm.call import Answer, Call
from bigdl_caffe.model import Model

_FLOAT = np.dtype("<f4")
_RUNNING: WeakKeyDictionary[Model, threading.Lock] = WeakKeyDictionary()


def _load_caffe_model(call: Call) -> Answer:
    given = {"caffemodel": None, **call.arguments}
    for module in given.pop("imports", ()):
        importlib.import_module(module)
    return Answer(model=Model.load_caffe_model(**given))


def _load_caffe(call: Call) -> Answer:
    Model.load_caffe(**call.arguments)
    return Answer()


def _open_bundle(call: Call) -> Answer:
    return Answer(model=Model.open_bundle(**call.arguments))


def _describe(call: Call) -> Answer:
    model: Model = call.arguments["model"]
    return Answer(
        {
            "name": model.net.name,
            "inputs": dict(model.inputs),
            "outputs": model.outputs,
            "blob_shapes": dict(model.blob_shapes),
            "repr": repr(model),
        }
    )


def _run(call: Call) -> Answer:
    given = dict(call.arguments)
    model, numbers, shapes = (given.pop(name) for name in ("model", "numbers", "shapes"))
    with open(numbers, "r+b") as file:  # which is gone if the caller has not waited
        feed = {blob: _read(file, shape) for blob, shape in shapes.items()}
        with _RUNNING.setdefault(model, threading.Lock()):
            model.reset()  # a call is a sequence of its own, as it is for predict
            tops = model.run(feed, **given)
        file.seek(0)
        file.truncate()
        for top in tops.values():
            np.ascontiguousarray(top, _FLOAT).tofile(file)
    return Answer({blob: top.shape for blob, top in tops.items()})


def _read(file: BinaryIO, shape: Sequence[int]) -> np.ndarray[Any, Any]:
    """Return the next array, in memory of its own: MKL's sums depend on where numbers lie."""
    return np.fromfile(file, _FLOAT, math.prod(shape)).reshape(shape)


def _evaluate(call: Call) -> Answer:
    given = dict(call.arguments)
    results = given.pop("model").evaluate(**given)
    return Answer([asdict(each) for each in results] if "data" in given else None)


def _quantize(call: Call) -> Answer:
    given = dict(call.arguments)
    file = given.pop("bundle")  # it comes back from there if this process ends
    made = given.pop("model").quantize(**given)
    made.write_bundle(file)
    return Answer(model=made)


def _quantization_report(call: Call) -> Answer:
    report = getattr(call.arguments["model"], "report", None)
    return Answer(report and str(report))


def _method(name: str, make: Callable[[Any], Answer]) -> Callable[[Call], Answer]:
    def call_it(call: Call) -> Answer:
        given = dict(call.arguments)
        return make(getattr(given.pop("model"), name)(**given))

    return call_it


def _nothing(_: Any) -> Answer:
    return Answer()


CALLS: Mapping[str, Callable[[Call], Answer]] = {
    "load_caffe_model": _load_caffe_model,
    "load_caffe": _load_caffe,
    "open_bundle": _open_bundle,
    "describe": _describe,
    "content_hash": lambda call: Answer(call.arguments["model"].content_hash),
    "run": _run,
    "evaluate": _evaluate,
    "quantize": _quantize,
    "quantization_report": _quantization_report,
    "summary": _method("summary", Answer),
    "new_graph": _method("new_graph", lambda model: Answer(model=model)),
    "predict": _method("predict", lambda rows: Answer(frame=rows)),
    "predict_class": _method("predict_class", lambda rows: Answer(frame=rows)),
    **{
        name: _method(name, _nothing)
        for name in ("freeze", "freeze_up_to", "release", "save_caffe", "unfreeze", "write_bundle")
    },
    **stages.CALLS,
}
"""By the name that the JVM calls them."""
