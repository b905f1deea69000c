"""engine="onnxruntime": the net's ONNX graph by Microsoft's runtime, on the CPU.

It turns weights into the order that its kernels read when a session is made. On a host whose
processes share a model, the first one does that: it saves the graph as it is optimised for this
processor, and its weights beside it, which all sessions map.
"""

from __future__ import annotations

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

NAME = "onnxruntime"
_GRAPH, _WEIGHTS = "graph.onnx", "weights"


def open_onnxruntime(opening: Opening) -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
    """Return the net of ``opening`` as a session.

    Raises
    ------
    CaffeError
        Without the package, for a model that is not float32 on the CPU, and for what ONNX
        cannot express.
    """
    version = _version()
    check_place(NAME, opening.model)
    graph = graph_of(opening)
    if opening.shared:
        make = partial(_save, opening, graph)
        run = read_once(NAME, host_key(opening, graph, version), make, _mapped)
    else:
        run = _fed(opening, graph, _options())
    return Within(graph, opening.model, run)


def _version() -> str:
    try:
        import onnxruntime
    except ImportError:
        raise CaffeError(
            "engine='onnxruntime' needs onnxruntime: pip install bigdl-caffe[onnxruntime]"
        ) from None
    return str(onnxruntime.__version__)


def _options() -> Any:
    """Return the options of a session that holds to the task's cores and leaves others alone."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: its warnings are for its developers
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _mapped_options() -> Any:
    """Return the options for a graph that is optimised already, whose weights stay mapped."""
    import onnxruntime

    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.disable_prepacking", "1")
    return options


def _session(graph: str | bytes, options: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _fed(opening: Opening, graph: Graph, options: Any) -> _Session:
    """Return a session over the model's weights, which are where they are."""
    import onnxruntime

    arrays = weights_of(opening.model, graph)
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()]
    if values:
        options.add_external_initializers(list(arrays), values)
    return _Session(_session(graph.named, options), (arrays, values))


def _save(opening: Opening, graph: Graph, path: Path) -> None:
    """Save the optimised graph and its weights in the new folder ``path``."""
    path.mkdir(mode=0o700)
    options = _options()
    options.optimized_model_filepath = str(path / _GRAPH)
    entry = "session.optimized_model_external_initializers_"
    options.add_session_config_entry(f"{entry}file_name", _WEIGHTS)
    options.add_session_config_entry(f"{entry}min_size_in_bytes", "1024")
    _fed(opening, graph, options)


def _mapped(folder: Path) -> _Session:
    """Return a session over what was saved in ``folder``."""
    return _Session(_session(str(folder / _GRAPH), _mapped_options()), ())


@dataclass(frozen=True)
class _Session:
    """A session, and the memory that its weights lie in."""

    session: Any
    memory: object

    @cached_property
    def _own(self) -> local:
        """What a thread that runs the session keeps: a binding that it tells of its tensors."""
        return local()

    @cached_property
    def _names(self) -> list[str]:
        return [top.name for top in self.session.get_outputs()]

    def __call__(self, bottoms: Sequence[Tensor], shapes: Sequence[Shape] | None) -> list[Tensor]:
        """Run it from the memory of ``bottoms`` into that of new tensors."""
        own = self._own
        bound = own.bound = getattr(own, "bound", None) or self.session.io_binding()
        bound.clear_binding_outputs()
        for i, bottom in enumerate(bottoms):
            _bind(bound.bind_input, f"in{i}", bottom)
        names = self._names
        if shapes is None:
            for name in names:
                bound.bind_output(name, "cpu")
            self.session.run_with_iobinding(bound)
            return [torch.from_numpy(top) for top in bound.copy_outputs_to_cpu()]
        tops = [torch.empty(shape) for shape in shapes]
        for name, top in zip(names, tops, strict=True):
            _bind(bound.bind_output, name, top)
        self.session.run_with_iobinding(bound)
        return tops


def _bind(bind: Callable[..., None], name: str, tensor: Tensor) -> None:
    bind(name, "cpu", 0, np.float32, tuple(tensor.shape), tensor.data_ptr())
