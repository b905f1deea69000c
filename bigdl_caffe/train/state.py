"""What a training goes on from: ``.solverstate`` and ``.solverstate.h5``, read and written.

As SnapshotSolverStateToBinaryProto and RestoreSolverStateFromBinaryProto of sgd_solver.cpp, and
their sisters for HDF5: Caffe goes on from files written here, and we from Caffe's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.blobwriter import blob_pieces, check_size, size_of, write_pieces
from bigdl_caffe.format.bytesource import FileBytes
from bigdl_caffe.format.caffemodel import map_file
from bigdl_caffe.format.lexer import decode_name
from bigdl_caffe.format.sniff import foreign_magic, looks_like_text
from bigdl_caffe.format.walk import DAMAGED, LENGTH, VARINT, Field, Wire
from bigdl_caffe.format.wire import Indexer
from bigdl_caffe.train import state_hdf5

_HISTORY = pb.SolverState.HISTORY_FIELD_NUMBER
_NAMES = {
    (pb.SolverState.ITER_FIELD_NUMBER, VARINT): "iter",
    (pb.SolverState.LEARNED_NET_FIELD_NUMBER, LENGTH): "learned_net",
    (_HISTORY, LENGTH): "history",
    (pb.SolverState.CURRENT_STEP_FIELD_NUMBER, VARINT): "current_step",
}
"""Number and wire type of the fields that are read; forks' others are passed over."""
_NUMBERS = {number for number, _ in _NAMES}


@dataclass(frozen=True, eq=False)
class SolverState:
    """A training between two iterations.

    Attributes
    ----------
    iter : int
        How many iterations are done.
    learned_net : str
        The weights' file, as it was named when they were written; "" where none is named.
    current_step : int
        What `bigdl_caffe.train.rate.learning_rate` goes on with.
    history : tuple of ndarray
        float32: what the update rule remembers, in Caffe's order, of each learnable blob one
        array in its shape; of AdaDelta and Adam all of them once more. In files of old Caffes
        all shapes have four axes.
    """

    iter: int
    learned_net: str = ""
    current_step: int = 0
    history: tuple[NDArray[np.float32], ...] = ()


def read_state(path: paths.PathLike) -> SolverState:
    """Read the solver state at ``path`` (a path or URI), binary or HDF5 by its first bytes.

    Raises
    ------
    CaffeFormatError
        For a file that is truncated, damaged or another; with the byte offset.
    CaffeError
        For a file that is missing or may not be read, or HDF5 without h5py.
    """
    with paths.local_copy(path) as local, local.open("rb") as opened:
        if opened.read(8) == state_hdf5.MAGIC:
            return SolverState(**state_hdf5.read(local, os.fspath(path)))
        return _read_binary(opened, os.fspath(path))


def write_state(path: paths.PathLike, state: SolverState) -> None:
    """Write ``state`` to ``path`` (a path or URI), whole or not at all; HDF5 if it ends in ".h5".

    Raises
    ------
    CaffeError
        For a folder that is missing or may not be written, a full disk, HDF5 without h5py, and
        a binary file of 2 GiB or more, which Caffe does not read.
    """
    file = os.fspath(path)
    with paths.explained(path), paths.atomic_write(path) as out:
        if file.endswith(".h5"):
            state_hdf5.write(out, vars(state), file)
        else:
            _write_binary(out, state, file)


def _write_binary(out: BinaryIO, state: SolverState, file: str) -> None:
    pieces = [piece for blob in state.history for piece in blob_pieces(_HISTORY, blob)]
    check_size(size_of(pieces), file, ".solverstate.h5")
    head = pb.SolverState(iter=state.iter, learned_net=state.learned_net)
    out.write(head.SerializeToString())
    write_pieces(out, pieces)
    out.write(pb.SolverState(current_step=state.current_step).SerializeToString())


def _read_binary(opened: BinaryIO, file: str) -> SolverState:
    data = memoryview(map_file(opened, file))
    try:
        return _walk(Wire(data, file), FileBytes(opened.fileno(), file))
    except CaffeFormatError as error:
        head = bytes(data[:256])
        kind = foreign_magic(head) or ("text" if looks_like_text(head) else None)
        if kind is None:
            raise
        raise CaffeFormatError(f"a solver state is wanted, but this is {kind}", file, 0) from error


def _walk(wire: Wire, source: FileBytes) -> SolverState:
    found: dict[str, Any] = {}
    history: list[NDArray[np.float32]] = []
    indexer = Indexer(wire, source)
    for f in wire.fields(0, len(wire.data)):
        name = _NAMES.get((f.number, f.wire))
        if name == "history":
            history.append(_blob(indexer, f, len(history)))
        elif name is not None:
            found[name] = decode_name(wire.text(f)) if f.wire == LENGTH else _count(wire, f)
        elif f.number in _NUMBERS:
            raise wire.error("this is no field of a solver state: are these weights?", f.at)
    if "iter" not in found:
        raise wire.error("no iteration is said in it: is it a solver state?", 0)
    return SolverState(**found, history=tuple(history))


def _count(wire: Wire, f: Field) -> int:
    if f.value >= 1 << 31:
        raise wire.error(f"there is a number of iterations or steps below 0; {DAMAGED}", f.at)
    return f.value


def _blob(indexer: Indexer, f: Field, index: int) -> NDArray[np.float32]:
    blob = indexer.blob(f.start, f.end, f"history {index}")
    out = np.empty(blob.count, np.float32)
    blob.copy_to(out)
    return out if blob.shape is None else out.reshape(blob.shape)
