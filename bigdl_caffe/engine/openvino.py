"""engine="openvino": the net's ONNX graph by Intel's runtime, on the CPU.

Compiling a net takes its seconds. On a host whose processes share a model, the first one does
that, and saves what OpenVINO compiled; the others map it.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bigdl_caffe.engine.onnx_graph import Graph, Within, check_place, graph_of, host_key, weights_of
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.host_folder import read_once
from bigdl_caffe.graph.ir import Shape

if TYPE_CHECKING:
    from bigdl_caffe.engine.opening import Opening

NAME = "openvino"


def open_openvino(opening: Opening) -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
    """Return the net of ``opening`` as a compiled model.

    Raises
    ------
    CaffeError
        Without the package, for a model that is not float32 on the CPU, and for what ONNX, or
        OpenVINO's reader of it, cannot express.
    """
    version = _version()
    check_place(NAME, opening.model)
    graph = graph_of(opening)
    threads = str(torch.get_num_threads())
    if opening.shared:
        make = partial(_save, opening, graph)
        run = read_once(NAME, host_key(opening, graph, version, threads), make, _mapped)
    else:
        run = _compiled(opening, graph)
    return Within(graph, opening.model, run)


def _version() -> str:
    try:
        import openvino
    except ImportError:
        raise CaffeError(
            "engine='openvino' needs openvino: pip install bigdl-caffe[openvino]"
        ) from None
    return str(openvino.__version__)


def _settings() -> dict[str, Any]:
    """Return what holds OpenVINO to the task's cores, and to exact floats."""
    return {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }


def _compiled(opening: Opening, graph: Graph) -> _Compiled:
    """Return the net compiled over the model's weights, which are where they are."""
    import openvino

    arrays = weights_of(opening.model, graph)
    core = openvino.Core()
    try:
        net = core.read_model(graph.fed)
        _put(net, list(arrays.values()))
        return _Compiled(core.compile_model(net, "CPU", _settings()), arrays)
    except RuntimeError as error:
        said = str(error).strip().splitlines()[-1]
        raise CaffeError(f"OpenVINO cannot read this net ({said}): use engine='torch'") from error


def _put(net: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
    """Replace the last inputs of ``net`` by constants over the memory of ``arrays``."""
    from openvino import opset13

    inputs = net.get_parameters()[-len(arrays) :] if arrays else []
    for parameter, array in zip(inputs, arrays, strict=True):
        constant = opset13.constant(array, shared_memory=True)
        parameter.output(0).replace(constant.output(0))
        net.remove_parameter(parameter)
    net.validate_nodes_and_infer_types()


def _save(opening: Opening, graph: Graph, path: Path) -> None:
    """Save what OpenVINO compiles as the file ``path``."""
    path.write_bytes(_compiled(opening, graph).model.export_model().getvalue())


def _mapped(path: Path) -> _Compiled:
    """Return what was saved at ``path``."""
    import openvino

    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    saved = openvino.Tensor(np.frombuffer(memory, np.uint8), shared_memory=True)
    return _Compiled(openvino.Core().import_model(saved, "CPU", _settings()), saved)


@dataclass(frozen=True)
class _Compiled:
    """A compiled model, and the memory that its weights lie in."""

    model: Any
    memory: object

    @cached_property
    def _own(self) -> local:
        """What a thread that runs the model keeps: its request."""
        return local()

    def __call__(self, bottoms: Sequence[Tensor], shapes: Sequence[Shape] | None) -> list[Tensor]:
        """Run it from the memory of ``bottoms`` into that of new tensors."""
        import openvino

        own = self._own
        request = own.request = getattr(own, "request", None) or self.model.create_infer_request()
        for i, bottom in enumerate(bottoms):
            request.set_input_tensor(i, openvino.Tensor(bottom.numpy(), shared_memory=True))
        if shapes is None:
            request.infer()
            return [torch.from_numpy(top.data.copy()) for top in request.output_tensors]
        tops = [torch.empty(shape) for shape in shapes]
        for i, top in enumerate(tops):
            request.set_output_tensor(i, openvino.Tensor(top.numpy(), shared_memory=True))
        request.infer()
        return tops
