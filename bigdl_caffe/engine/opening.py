"""The engines there are, and how one is opened for a model: checked, or else the exact path."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bigdl_caffe import __version__
from bigdl_caffe.engine import winograd
from bigdl_caffe.engine.auto import open_auto
from bigdl_caffe.engine.check import departure
from bigdl_caffe.engine.compiled import open_compiled
from bigdl_caffe.engine.eager import open_torch
from bigdl_caffe.engine.folded import folded
from bigdl_caffe.engine.onnx_graph import with_graph, with_graph_if_it_may_be
from bigdl_caffe.engine.onnxruntime import open_onnxruntime
from bigdl_caffe.engine.openvino import open_openvino
from bigdl_caffe.engine.processor import processor
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.host_folder import told_once
from bigdl_caffe.model import Model

Array = np.ndarray[Any, Any]
Compute = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
Run = Callable[[Mapping[str, Array]], dict[str, Array]]
"""Input blobs to the blobs that the engine was opened for."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opening:
    """For what an engine is opened.

    Attributes
    ----------
    model : Model
        On the device, and of the type, that it computes on and in.
    fetch : tuple of str
        Blobs.
    rows : int
        The batch it is made for. Others have to work, too.
    shared : bool
        Whether other processes of the host open the same, and share what is made for it.
    salt : str
        Tells layers that the model's hash does not tell: the caller's own.
    hidden : bool
        Whether no weights may be written to this host's disk.
    settled : bool
        Whether nobody changes the weights from now on, though the model is ``exposed``.
    """

    model: Model
    fetch: tuple[str, ...]
    rows: int = 1
    shared: bool = False
    salt: str = ""
    hidden: bool = False
    settled: bool = False

    @cached_property
    def key(self) -> str:
        """SHA-256 (hex) of the model, the blobs, the rows, and what computes them."""
        like = next(self.model.module.parameters(), torch.empty(0))
        where = f"{like.device.type} {like.dtype} {torch.get_num_threads()} {_machine()}"
        words = f"{self.model.content_hash} {self.fetch} {self.rows} {self.salt} {where}"
        return hashlib.sha256(words.encode()).hexdigest()

    def run_by(self, compute: Compute) -> Run:
        """Return what computes arrays as ``compute`` does tensors."""
        return partial(self.model.through, compute, fetch=self.fetch)


@dataclass(frozen=True)
class Engine:
    """A way to compute a net.

    Attributes
    ----------
    name : str
        As users give it.
    means : str
        What it is, for docs and help.
    open : callable
        Returns what computes tensors of the inputs to tensors of ``fetch``. None for Caffe's
        own order of operations.
    alone : bool
        Whether rows are run one at a time.
    sends : callable
        Model and blobs to the model that is opened, elsewhere maybe.
    frozen : bool
        Whether it goes on with the weights that there were when it was opened.
    """

    name: str
    means: str
    open: Callable[[Opening], Compute] | None
    alone: bool = False
    sends: Callable[[Model, Sequence[str]], Model] = folded
    frozen: bool = False

    @property
    def exact(self) -> bool:
        """Whether the net is run as it is."""
        return self.open is None


ENGINES: Mapping[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine("torch", "fused layers, torch's own kernels", open_torch),
        Engine("compiled", "the joined net as machine code, made once a host", open_compiled),
        Engine(
            "onnxruntime",
            "ONNX Runtime (extra 'onnxruntime')",
            open_onnxruntime,
            sends=with_graph,
            frozen=True,
        ),
        Engine(
            "openvino",
            "OpenVINO (extra 'openvino')",
            open_openvino,
            sends=with_graph,
            frozen=True,
        ),
        Engine(
            "auto",
            "the quickest of those that are here, timed once a host",
            open_auto,
            sends=with_graph_if_it_may_be,
            frozen=True,
        ),
        Engine("exact", "Caffe's order of operations, row by row", None, alone=True),
    )
}
"""The engines by name, the default first."""


INT8 = ("torch", "exact")
"""Those that take int8 models."""


def open_engine(name: str, opening: Opening) -> Run:
    """Return what computes ``opening.fetch``, checked on a made-up batch to be right.

    Where the engine's numbers depart from the exact path's by more than
    `bigdl_caffe.engine.check` lets them, or it fails to open in a way that no one has foreseen,
    the exact path is returned, with a warning. In the TRAIN phase it always is: Dropout is random
    there, and BatchNorm learns from what it sees.

    Raises
    ------
    CaffeError
        For an engine that is unknown, lacks packages here, or refuses the model.
    """
    model = opening.model
    engine = _taking(model, name)
    exact = partial(model.run, fetch=opening.fetch)
    if engine.open is None or model.net.phase == "TRAIN":
        return exact
    try:
        run = opening.run_by(engine.open(opening))
        reason = _checked(engine, opening, run)
    except CaffeError:  # which says what to do
        raise
    except Exception as error:  # of torch, of another's engine, of the caller's own layers
        reason = f"it does not open ({type(error).__name__}: {error})"
    if reason:
        _log.warning("engine '%s' is not used: %s; the exact path is", name, reason)
        return exact
    return run


def _machine() -> str:
    """Return what decides about the kernels that run."""
    return f"{processor()} torch {torch.__version__} {__version__}"


def sent(model: Model, name: str, fetch: Sequence[str]) -> Model:
    """Return what is opened, elsewhere maybe, to compute ``fetch`` of ``model``."""
    engine = _taking(model, name)
    if model.scheme is not None:
        return model
    return model if engine.exact else engine.sends(model, fetch)


def _taking(model: Model, name: str) -> Engine:
    """Return the engine ``name``, or for an int8 model the one that "auto" means for it."""
    engine = find(name)
    if model.scheme is None or engine.name in INT8:
        return engine
    if engine.name == "auto":
        return find(INT8[0])
    raise CaffeError(
        f"engine '{name}' takes float models, this one is int8: leave engine= out, or give "
        + " or ".join(INT8)
    )


def find(name: str) -> Engine:
    """Return the engine of a name."""
    if name not in ENGINES:
        raise CaffeError(f"engine is '{name}': give one of {', '.join(ENGINES)}")
    return ENGINES[name]


def _checked(engine: Engine, opening: Opening, run: Run) -> str | None:
    """Return why ``run`` is not to be used, or None; one process of a host finds out for all."""

    def find_out() -> str:
        with winograd.always():  # two rows fill no block of many small images
            return departure(run, opening.model, opening.fetch, opening.rows) or ""

    if not opening.shared:
        return find_out() or None
    return told_once("checked", f"{opening.key}-{engine.name}", find_out) or None
