"""Snapshots of a training as Caffe makes and names them: Solver::Snapshot of solver.cpp."""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths
from bigdl_caffe.model import Model
from bigdl_caffe.save import Saved, contents, write_weights
from bigdl_caffe.train.definition import SolverDef
from bigdl_caffe.train.state import SolverState, write_state
from bigdl_caffe.weights.table import WeightTable

log = logging.getLogger("bigdl_caffe")

Array = np.ndarray[Any, np.dtype[np.float32]]
_WEIGHTS, _STATE = ".caffemodel", ".solverstate"
_ENDINGS = {"BINARYPROTO": "", "HDF5": ".h5"}


def snapshot_names(definition: SolverDef, iteration: int) -> tuple[str, str]:
    """Return the files of the weights and the state after ``iteration`` iterations."""
    start = f"{definition.snapshot_prefix}_iter_{iteration}"
    ending = _ENDINGS[definition.snapshot_format]
    return f"{start}{_WEIGHTS}{ending}", f"{start}{_STATE}{ending}"


def write_snapshot(
    model: Model,
    state: SolverState,
    definition: SolverDef,
    diffs: Mapping[str, Array] | None = None,
) -> tuple[str, str]:
    """Write the weights of ``model`` and ``state``: each file whole, the state last.

    Where there is a state, there are thus its weights.

    Parameters
    ----------
    model : Model
        The net that learns.
    state : SolverState
        Where the solver stands; its ``learned_net`` is filled in.
    definition : SolverDef
        Says the prefix and the format.
    diffs : mapping of str to ndarray, optional
        What Caffe writes for ``snapshot_diff``: by the blobs' keys, what the last update
        subtracted. Others' are zeros. By default no diffs are written.

    Returns
    -------
    str, str
        The files of the weights and of the state.

    Raises
    ------
    CaffeError
        With the file, for a folder that is missing or may not be written, and a full disk.
        What was there before is whole.
    """
    weights, target = snapshot_names(definition, state.iter)
    saved = _contents(model, diffs)
    with paths.explained(weights), paths.atomic_write(weights) as out:
        write_weights(out, saved, weights)
    write_state(target, replace(state, learned_net=weights))
    return weights, target


def check_place(prefix: str) -> None:
    """Write a file under ``prefix`` and delete it again (CheckSnapshotWritePermissions).

    Raises
    ------
    CaffeError
        For a folder that is missing, or that may not be written, and without a prefix.
    """
    if not prefix:
        raise CaffeError(
            "there is no snapshot_prefix for the snapshot at the end of training: give one, or "
            "snapshot_after_train: false"
        )
    probe = f"{prefix}_iter_0.tempfile"
    try:
        with paths.atomic_write(probe):
            pass
    except CaffeError as error:
        raise CaffeError(f"no snapshot can be written to '{prefix}': {error}") from None
    paths.delete(probe)


def latest_snapshot(prefix: str) -> str | None:
    """Return the state with the most iterations among the snapshots of ``prefix``.

    Parameters
    ----------
    prefix : str
        As of `SolverDef.snapshot_prefix`: path or URI.

    Returns
    -------
    str or None
        Path or URI; None where there is no state.
    """
    states = [file for file in _files(prefix) if file.kind == _STATE]
    return max(states).path if states else None


def weights_of(state: SolverState, path: str) -> str:
    """Return the weights' file of ``state``, which was read from ``path``.

    The file of that name beside it, so that a folder of snapshots may be moved; else what
    ``learned_net`` says, which in Caffe is relative to the working directory.

    Raises
    ------
    CaffeError
        Where there is neither.
    """
    beside = posixpath.join(posixpath.dirname(path), posixpath.basename(state.learned_net))
    for place in (beside, state.learned_net):
        if state.learned_net and paths.exists(place):
            return place
    raise CaffeError(
        f"the weights of {path} are not there: it names '{state.learned_net}'; put that file "
        "beside it"
    )


class _File(NamedTuple):
    """A file of a snapshot; the later snapshot is the larger."""

    iteration: int
    kind: str
    path: str


def _files(prefix: str) -> list[_File]:
    folder, name = posixpath.split(prefix)
    pattern = re.compile(rf"{re.escape(name)}_iter_(\d+)(\.(?:caffemodel|solverstate))(?:\.h5)?")
    found = map(pattern.fullmatch, paths.file_names(folder or "."))
    return [_File(int(m[1]), m[2], posixpath.join(folder, m[0])) for m in found if m]


def _contents(model: Model, diffs: Mapping[str, Array] | None) -> Saved:
    slots = [slot for slot, _ in model.tensors()]
    saved = contents(model.net, slots, model.weights())
    if diffs is None:
        return saved
    whole = {slot.key: np.zeros(slot.spec.shape, np.float32) for slot in slots} | dict(diffs)
    beside = contents(model.net, slots, WeightTable(whole)).layers
    layers = zip(saved.layers, beside, strict=True)
    return replace(saved, layers=tuple(replace(each, diffs=d.blobs) for each, d in layers))
