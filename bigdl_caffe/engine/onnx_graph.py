"""A net as the ONNX graph that onnxruntime and OpenVINO take: its weights stay where they are.

The graph is made once, on the driver, and travels in the model's bundle: making it takes seconds
and the packages of the extra "onnx", which executors so do without, and a net that ONNX cannot
express is refused where the job is asked for. The weights are not in it. They are told of by
name, and each engine is handed the memory that the model has mapped.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bigdl_caffe import __version__
from bigdl_caffe.engine.folded import companion, folded
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.processor import processor
from bigdl_caffe.engine.program import ProgramNet, program
from bigdl_caffe.errors import CaffeError, UnsupportedLayerError
from bigdl_caffe.format.host_folder import told_once
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.registry import registry, type_key
from bigdl_caffe.model import Model

if TYPE_CHECKING:
    from bigdl_caffe.engine.opening import Opening

_log = logging.getLogger(__name__)

NOTE = "onnx"
"""Under which name the graph is in a bundle."""
REFUSED = "refused"
"""Under which name it has, in the graph's place, why there is none."""


@dataclass(frozen=True)
class Graph:
    """A net in ONNX's operators, without its weights.

    Attributes
    ----------
    named : bytes
        ModelProto whose weights are external tensors of a file that there is not.
    fed : bytes
        The same net; its weights are inputs, behind the net's own.
    inputs : tuple of str
        Blobs, in the order of the graph's inputs ``in0``, ``in1``...; its outputs are ``out0``...
        in the order of ``fetch``.
    weights : tuple of str
        Keys of the module's state dict: the weights' names in the graph.
    fetch : tuple of str
        Blobs.
    any_batch : bool
        Whether inputs may have another number of rows than declared.
    """

    named: bytes
    fed: bytes
    inputs: tuple[str, ...]
    weights: tuple[str, ...]
    fetch: tuple[str, ...]
    any_batch: bool

    def to_text(self) -> str:
        """Return it as text, for `from_text`."""
        return json.dumps(
            {k: _text(v) if isinstance(v, bytes) else v for k, v in vars(self).items()}
        )

    @staticmethod
    def from_text(text: str) -> Graph:
        """Return the graph that `to_text` was called of."""
        told: dict[str, Any] = json.loads(text)
        lists = {k: tuple(v) for k, v in told.items() if isinstance(v, list)}
        models = {k: _bytes(told[k]) for k in ("named", "fed")}
        return Graph(**{**told, **lists, **models})

    def takes(self, model: Model, feed: Mapping[str, Tensor]) -> bool:
        """Return whether the graph is made for inputs of these shapes: others are torch's."""
        if feed.keys() != set(self.inputs):
            return False
        shapes = [(tuple(feed[blob].shape), model.net.inputs[blob]) for blob in self.inputs]
        if not self.any_batch:
            return all(given == declared for given, declared in shapes)
        same = len({given[0] for given, _ in shapes}) == 1
        return same and all(given[1:] == declared[1:] and given[0] for given, declared in shapes)


def _text(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw)).decode()


def _bytes(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def with_graph(model: Model, fetch: Sequence[str]) -> Model:
    """Return the folded model with the graph of ``fetch`` in its bundle: what Spark sends.

    Raises
    ------
    CaffeError
        For what ONNX cannot express, and without the packages.
    """
    return _noted(model, tuple(fetch), _made)


def _noted(
    model: Model, fetch: tuple[str, ...], make: Callable[[Model, tuple[str, ...]], str]
) -> Model:
    base = folded(model, fetch)
    if model.net.phase == "TRAIN":
        return base  # Caffe's own order is what runs

    def note() -> Model:
        return base.noted(NOTE, make(base, fetch))

    return companion(model, (make, fetch), base.content_hash, note)


def _made_if_it_may_be(model: Model, fetch: tuple[str, ...]) -> str:
    """Return the text of the graph, or of why there is none, which nobody need find out again."""
    try:
        return _made(model, fetch)
    except Exception as error:  # of the exporter: there are other engines to choose from
        _log.info("engine 'auto' has no ONNX graph to choose: %s", error)
        return json.dumps({REFUSED: str(error), "fetch": fetch})


def with_graph_if_it_may_be(model: Model, fetch: Sequence[str]) -> Model:
    """Return what `with_graph` does, with a note of why not where ONNX cannot express the net.

    Where no engine would take a graph, that is the folded model.
    """
    packages = ("onnx", "onnxscript")
    if all(map(find_spec, packages)) and any(map(find_spec, ("onnxruntime", "openvino"))):
        return _noted(model, tuple(fetch), _made_if_it_may_be)
    return folded(model, fetch)


def graph_of(opening: Opening) -> Graph:
    """Return the graph that came with the model; one made here, if none did.

    Raises
    ------
    CaffeError
        There can be none, as was found before it came.
    """
    came = opening.model.note(NOTE) or "{}"
    told = json.loads(came)
    if tuple(told.get("fetch", ())) == opening.fetch:
        if REFUSED in told:
            raise CaffeError(told[REFUSED])
        return Graph.from_text(came)
    if opening.hidden:  # numbers that are computed of weights may be in it
        return _export(opening.model, opening.fetch)
    return Graph.from_text(_made(opening.model, opening.fetch))


def weights_of(model: Model, graph: Graph) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of the graph's weights: the model's own memory."""
    state = model.module.state_dict()
    return {name: state[name].numpy() for name in graph.weights}


def check_place(name: str, model: Model) -> None:
    """Raise `CaffeError` unless the model is where, and of the type, that the engine computes."""
    for tensor in model.module.parameters():
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            kind = str(tensor.dtype).removeprefix("torch.")
            raise CaffeError(
                f"engine='{name}' computes in float32 on the CPU, and this model is {kind} on "
                f"{tensor.device}: use engine='torch'"
            )


def host_key(opening: Opening, graph: Graph, *words: str) -> str:
    """Return what names a host's file that is made of the graph, its weights and ``words``."""
    digest = hashlib.sha256(opening.model.content_hash.encode() + graph.named)
    digest.update("\0".join((processor(), *words)).encode())
    return digest.hexdigest()


def _made(model: Model, fetch: tuple[str, ...]) -> str:
    """Return the text of the graph; a host's second process reads the first one's.

    The caller's own layers may have changed where their names did not.
    """
    if _has_own_layers(model):
        return _export(model, fetch).to_text()
    words = f"{model.content_hash} {fetch} {__version__} {torch.__version__}"
    name = hashlib.sha256(words.encode()).hexdigest()
    return told_once("onnx", name, lambda: _export(model, fetch).to_text())


def _has_own_layers(model: Model) -> bool:
    types = registry(model.converters)
    classes = (types[type_key(layer)] for layer in model.net.layers)
    return not all(layer.__module__.startswith("bigdl_caffe.") for layer in classes)


KEEPS = (
    "layer '{}' carries its state from run to run, for which ONNX has no operators; "
    "engine='torch' computes it"
)


def _export(model: Model, fetch: tuple[str, ...]) -> Graph:
    from bigdl_caffe.export.onnx import for_engines  # onnx only when it is used

    module = model.module
    names = [step.name for step in module.plan(fetch).steps]
    steps = [(name, getattr(module, name)) for name in names]
    keeps = [name for name, each in steps if hasattr(type(each), "reset")]
    if keeps:
        raise CaffeError(*(KEEPS.format(name) for name in keeps))
    inputs = tuple(model.needed(fetch))
    any_batch = model.row_wise(fetch)
    try:
        named, fed, weights = for_engines(module, inputs, fetch, any_batch)
    except UnsupportedLayerError as error:
        problems = (f"{each}; engine='torch' computes it" for each in error.problems)
        raise UnsupportedLayerError(*problems) from error
    return Graph(named, fed, inputs, weights, fetch, any_batch)


Compute = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Within:
    """What computes inputs of the graph's sizes by an engine, and others by torch.

    Attributes
    ----------
    graph : Graph
    model : Model
    compute : callable
        Takes tensors in the order of the graph's inputs and the shapes of its outputs, None
        for such as only the numbers tell; returns its outputs.
    """

    graph: Graph
    model: Model
    compute: Callable[[Sequence[Tensor], Sequence[Shape] | None], Sequence[Tensor]]

    def __call__(self, feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the graph's outputs under their blobs' names."""
        graph = self.graph
        if not graph.takes(self.model, feed):
            return self._by_torch(feed)
        bottoms = [feed[blob].contiguous() for blob in graph.inputs]
        tops = self.compute(bottoms, self._shapes(feed))
        return dict(zip(graph.fetch, tops, strict=True))

    @cached_property
    def _is_dynamic(self) -> bool:
        return self.model.is_dynamic(self.graph.fetch)

    def _shapes(self, feed: Mapping[str, Tensor]) -> Sequence[Shape] | None:
        """Return the outputs' shapes, which finding takes a tenth of what small nets do."""
        if self._is_dynamic:
            return None
        given = tuple(tuple(feed[blob].shape) for blob in self.graph.inputs)
        if given not in self._known:
            inputs = dict(zip(self.graph.inputs, given, strict=True))
            shapes = self.model.shapes_at(inputs, self.graph.fetch)
            self._known[given] = [shapes[blob] for blob in self.graph.fetch]
        return self._known[given]

    @cached_property
    def _known(self) -> dict[tuple[Shape, ...], list[Shape]]:
        return {}

    @cached_property
    def _by_torch(self) -> Compute:
        _log.warning(
            "inputs of other sizes than the net declares (%s) are computed by torch: give "
            "input_shapes=... to load_caffe_model for sizes that are usual",
            ", ".join(f"'{blob}' {shape}" for blob, shape in self.model.inputs.items()),
        )
        return ProgramNet(optimised(program(self.model.module, self.graph.fetch)))
