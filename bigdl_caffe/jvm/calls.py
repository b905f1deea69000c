"""What the JVM can ask for: one function a call, in one table."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from bigdl_caffe.jvm import stages
from bigdl_caffe.jvm.call import Answer, Call
from bigdl_caffe.model import Model

_FLOAT = np.dtype("<f4")


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
    model, shapes = given.pop("model"), given.pop("shapes")
    model.reset()  # a call is a sequence of its own, as it is for predict
    tops = model.run(_split(call.numbers or b"", shapes), **given)
    numbers = b"".join(np.ascontiguousarray(top, _FLOAT).tobytes() for top in tops.values())
    return Answer({blob: top.shape for blob, top in tops.items()}, numbers)


def _split(numbers: bytes, shapes: Mapping[str, list[int]]) -> dict[str, np.ndarray[Any, Any]]:
    flat = np.frombuffer(bytearray(numbers), _FLOAT)  # which torch may write to
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes.values()])
    parts = np.split(flat, ends[:-1])
    return {b: part.reshape(s) for (b, s), part in zip(shapes.items(), parts, strict=True)}


def _evaluate(call: Call) -> Answer:
    given = dict(call.arguments)
    results = given.pop("model").evaluate(**given)
    return Answer([asdict(each) for each in results] if "data" in given else None)


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
