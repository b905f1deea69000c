"""engine="compiled": the joined net as machine code, made once a host.

torch's ahead-of-time compiler freezes and packs the weights, joins what is left between the
convolutions, and lays out memory once. Its library is made under the host's lock; every other
process loads it. What was measured, on one AVX-512 core:

- A library for one row that is run row by row is as quick as one for 16 rows (ResNet-50), or
  quicker (SqueezeNet, 9.4 ms a row instead of 11.4), as less goes through main memory. Any number
  of rows works, and none is computed in vain.
- A dynamic batch takes 11.0 ms for that row.
- max_autotune and memory planning change nothing: nine tenths of SqueezeNet's time are oneDNN's
  convolutions, which are the ones that engine="torch" calls, too.

torch.compile with caches on disk would have each process trace the net and pack its weights.

From the first matrix product on, the rows are run together by torch, as
:mod:`bigdl_caffe.engine.chunks` has it: a product reads its weight once for all of them. torch
also runs what depends on numbers, as the search for an SSD's boxes, and what is behind it.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bigdl_caffe.engine import aot
from bigdl_caffe.engine.chunks import ChunkedNet, is_product, split
from bigdl_caffe.engine.eager import fixed
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.program import Program, ProgramNet, program
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.host_folder import read_once
from bigdl_caffe.graph.ir import Shape

if TYPE_CHECKING:
    from bigdl_caffe.engine.opening import Opening
    from bigdl_caffe.model import Model

_log = logging.getLogger(__name__)

_HIDDEN = (
    "engine 'compiled' keeps its code and weights in files, which spark.io.encryption.enabled "
    "does not allow: use engine='torch'"
)


def open_compiled(opening: Opening) -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
    """Return the net of ``opening`` as compiled code; what it is not compiled for runs in torch.

    A model whose weights someone holds and may change is not compiled: they would be frozen.

    Raises
    ------
    CaffeError
        It cannot be compiled here, with what is missing and where; or the model computes
        elsewhere than on the CPU, or in another type than float32.
    """
    model = opening.model
    joined = optimised(program(model.module, opening.fetch))
    if model.exposed or not joined.ops:
        if model.exposed:
            _log.warning("engine 'compiled': the weights may still change, so torch runs the net")
        return ProgramNet(joined)
    if opening.hidden:
        raise CaffeError(_HIDDEN)
    _check(model, joined)
    together = model.row_wise(opening.fetch)
    first, _ = split(joined) if together else (joined, None)
    rows = opening.rows if together and is_product(first.ops[0].module) else 1
    shapes = {blob: tuple(shape) for blob, shape in model.with_batch(rows).items()}
    library = _library(opening, first, {blob: shapes[blob] for blob in first.feeds})
    first, behind = joined.cut(library.count)
    trunk = CompiledNet(first, library, shapes)
    head = ProgramNet(behind) if behind else None
    if not together:
        return ChunkedNet(trunk, head, sys.maxsize, ())
    return ChunkedNet(trunk, head, rows, fixed(opening, first))


def _check(model: Model, joined: Program) -> None:
    """Raise a CaffeError for what compiled code cannot do, whatever the machine."""
    other = "use engine='torch'"
    if model.scheme is not None:
        raise CaffeError(f"engine 'compiled' does not run quantised models: {other}")
    for tensor in model.module.parameters():
        if (tensor.device.type, tensor.dtype) != ("cpu", torch.float32):
            raise CaffeError(
                f"engine 'compiled' computes float32 on the CPU, and the model is {tensor.dtype} "
                f"on {tensor.device}: {other}"
            )
    carrying = [name for op in joined.ops if hasattr(op.module, "reset") for name in op.layers]
    if carrying:
        raise CaffeError(
            f"engine 'compiled' cannot carry a state from one pass to the next, as the layers "
            f"{', '.join(carrying)} do: {other}"
        )


def _library(opening: Opening, first: Program, shapes: Mapping[str, Shape]) -> aot.Library:
    """Return the library for inputs of ``shapes``; the first process of the host compiles it."""
    feeds = [torch.zeros(shape) for shape in shapes.values()]
    make = partial(aot.compile_into, program=first, feeds=feeds)
    if not opening.shared and _has_layers_of_others(opening.model):
        with tempfile.TemporaryDirectory() as folder:  # its name would not tell their code
            make(Path(folder) / "net")
            return aot.load(Path(folder) / "net")
    return read_once("compiled", _name(opening, shapes), make, aot.load)


def _name(opening: Opening, shapes: Mapping[str, Shape]) -> str:
    """Return what tells all that the machine code depends on."""
    words = f"{opening.key} {sorted(shapes.items())} {platform.python_version()}"
    return hashlib.sha256(words.encode()).hexdigest()


def _has_layers_of_others(model: Model) -> bool:
    parts = {type(module).__module__.partition(".")[0] for module in model.module.modules()}
    return not parts <= {"bigdl_caffe", "torch"}


class CompiledNet(ProgramNet):
    """A program as compiled code; by torch for inputs that it is not compiled for.

    Parameters
    ----------
    program : Program
    library : Library
        The same, compiled.
    shapes : mapping of str to shape
        Of the inputs it was compiled for.
    """

    def __init__(self, program: Program, library: aot.Library, shapes: Mapping[str, Shape]) -> None:
        super().__init__(program)
        self.library, self.shapes = library, dict(shapes)

    def forward(self, feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run the code; see `ProgramNet`."""
        if not self._fits(feed):
            return super().forward(feed)
        blobs = tuple(self.program.feeds)
        tops = self.library([feed[blob].contiguous() for blob in blobs])
        return dict(zip(self.program.outputs, tops, strict=True))

    def _fits(self, feed: Mapping[str, Tensor]) -> bool:
        return all(
            blob in feed and tuple(feed[blob].shape) == self.shapes[blob]
            for blob in self.program.feeds
        )
