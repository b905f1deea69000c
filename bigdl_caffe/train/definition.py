"""solver.prototxt as Caffe reads it: all that it says, checked."""

from __future__ import annotations

import logging
import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from bigdl_caffe.data.source import at
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths, prototxt
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.upgrade_file import upgrade_solver
from bigdl_caffe.train.net_source import (
    NetSource,
    naming_problems,
    test_sources,
    train_source,
)
from bigdl_caffe.train.solver_values import value_problems

__all__ = ["NetSource", "SolverDef", "read_solver", "solver_def"]

log = logging.getLogger("bigdl_caffe")


@dataclass(frozen=True)
class SolverDef:
    """What a solver is to do: the fields of BVLC's SolverParameter by their names.

    ``solver_mode`` and ``device_id`` are read, and have no effect: the caller says where to
    compute. So has ``layer_wise_reduce``.

    Attributes
    ----------
    type : str
        "SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta" or "Adam".
    base_lr : float
        Numbers are float32, as Caffe has them.
    lr_policy : str
        "fixed", "step", "exp", "inv", "multistep", "poly" or "sigmoid".
    gamma, power : float
    stepsize : int
        Iterations; of "sigmoid" the one in the middle.
    stepvalue : tuple of int
        Iterations.
    momentum, momentum2, rms_decay, delta : float
    weight_decay : float
    regularization_type : str
        "L1" or "L2"; of no meaning without ``weight_decay``.
    clip_gradients : float
        Largest L2 norm of all gradients; negative for any.
    iter_size : int
        Passes in an iteration.
    average_loss : int
        Iterations that the displayed loss is a mean of.
    max_iter, display : int
        Iterations; ``display`` 0 is never.
    test_iter : tuple of int
        Passes of each test net.
    test_interval : int
        Iterations; 0 is never.
    test_initialization, test_compute_loss : bool
    snapshot : int
        Iterations; 0 is never.
    snapshot_prefix : str
        Path or URI that snapshots' names begin with; "" where neither the solver nor the
        name of its file gives one.
    snapshot_diff : bool
    snapshot_format : str
        "BINARYPROTO" or "HDF5".
    snapshot_after_train : bool
    random_seed : int
        Negative for any.
    debug_info : bool
    weights : tuple of str
        Weight files to begin with, one after another.
    train_net : NetSource
    test_nets : tuple of NetSource
        As many as ``test_iter`` has numbers.
    message : SolverParameter
        What it was read from, with ``type`` for the old ``solver_type``.
    origin : str
        The solver's file, "" where it has none.
    clip_values : (float, float) or None
        The least and the largest value of a gradient: BigDL's, not in Caffe's message.
    """

    type: str
    base_lr: float
    lr_policy: str
    gamma: float
    power: float
    stepsize: int
    stepvalue: tuple[int, ...]
    momentum: float
    momentum2: float
    rms_decay: float
    delta: float
    weight_decay: float
    regularization_type: str
    clip_gradients: float
    iter_size: int
    average_loss: int
    max_iter: int
    display: int
    test_iter: tuple[int, ...]
    test_interval: int
    test_initialization: bool
    test_compute_loss: bool
    snapshot: int
    snapshot_prefix: str
    snapshot_diff: bool
    snapshot_format: str
    snapshot_after_train: bool
    random_seed: int
    debug_info: bool
    weights: tuple[str, ...]
    train_net: NetSource
    test_nets: tuple[NetSource, ...]
    message: pb.SolverParameter
    origin: str = ""
    clip_values: tuple[float, float] | None = None


def read_solver(path: paths.PathLike) -> SolverDef:
    """Read the solver at ``path`` (a path or URI), and log its fields that nothing reads.

    Raises
    ------
    ParseError
        For text that Caffe refuses; with file, line and column.
    CaffeError
        With everything else that is wrong with it at once.
    """
    message = prototxt.read_solver(path)
    for note in prototxt.unknown_report(message, os.fspath(path)):
        log.warning("%s", note)
    return solver_def(message, os.fspath(path))


def solver_def(message: pb.SolverParameter, origin: str = "") -> SolverDef:
    """Return what ``message``, not changed, says (ReadSolverParamsFromTextFileOrDie, Init).

    Parameters
    ----------
    message : SolverParameter
    origin : str
        The file it came from: named in errors, and after which snapshots are named.

    Raises
    ------
    CaffeError
        With everything that is wrong with it at once, for a solver that Caffe refuses, now
        or at its first update, or of which it makes nonsense.
    """
    with at(origin or "the solver"):
        solver = upgrade_solver(message)
        prefix = _snapshot_prefix(solver.snapshot_prefix, origin)
        problems = [*naming_problems(solver), *value_problems(solver)]
        if solver.snapshot and not prefix:
            problems.append("there is snapshot and no snapshot_prefix: say where to write them")
        if problems:
            raise CaffeError(*problems)
    plain: dict[str, Any] = {f.name: getattr(solver, f.name, None) for f in fields(SolverDef)}
    made: dict[str, Any] = {
        "stepvalue": tuple(solver.stepvalue),
        "test_iter": tuple(solver.test_iter),
        "snapshot_prefix": prefix,
        "snapshot_format": pb.SolverParameter.SnapshotFormat.Name(solver.snapshot_format),
        "weights": _weights(solver.weights),
        "train_net": train_source(solver),
        "test_nets": test_sources(solver),
        "message": solver,
        "origin": origin,
    }
    return SolverDef(**plain | made)


def _snapshot_prefix(prefix: str, origin: str) -> str:
    """Return the whole prefix: the solver's file without its ending, unless it gives one.

    A folder as prefix has that file's name in it (UpgradeSnapshotPrefixProperty).
    """
    bare = posixpath.splitext(origin)[0]
    if not prefix:
        return bare
    local = paths.local_path(prefix)
    is_folder = prefix.endswith("/") if local is None else local.is_dir()
    return posixpath.join(prefix, posixpath.basename(bare)) if is_folder else prefix


def _weights(given: Sequence[str]) -> tuple[str, ...]:
    """Return the files that ``weights`` names: several in one text, too (LoadNetWeights)."""
    return tuple(file.strip() for each in given for file in each.split(","))
