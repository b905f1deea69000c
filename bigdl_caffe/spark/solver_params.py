"""A solver from Params: what they say, over what a solver.prototxt says."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from math import ceil
from typing import Any

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.model import Model
from bigdl_caffe.train.definition import SolverDef, solver_def

FIELDS = (
    *("type", "base_lr", "lr_policy", "gamma", "stepsize", "stepvalue", "power", "momentum"),
    *("momentum2", "rms_decay", "delta", "weight_decay", "regularization_type"),
    *("clip_gradients", "iter_size", "max_iter", "random_seed", "test_interval", "snapshot"),
)
"""Fields of SolverParameter that are words of Params."""

LEARNING_RATE = 0.01
_TESTS = ("test_net", "test_net_param", "test_iter", "test_state", "test_interval")


def solver_of(given: Mapping[str, Any], model: Model) -> SolverDef:
    """Return the solver of a training on a net's own data.

    Parameters
    ----------
    given : mapping of str to object
        Params by their words.
    model : Model
        The net that learns; it goes before the net that a solver names.

    Raises
    ------
    CaffeError
        For values that cannot work together.
    """
    base: SolverDef | None = given.get("solver")
    message = _message(given, model)
    if "max_iter" not in given and base is None:
        raise CaffeError("say how long to train: give maxIter, as the net's own data have no end")
    return _finished(message, given, base, every=message.max_iter)


def epochs_solver(given: Mapping[str, Any], model: Model, passes: int, tests: bool) -> SolverDef:
    """Return the solver of a training on rows.

    Parameters
    ----------
    passes : int
        That an epoch has.
    tests : bool
        Whether there are rows to test with.
    """
    if "max_epochs" in given and "max_iter" in given:
        raise CaffeError("give maxEpochs or maxIter, not both")
    base: SolverDef | None = given.get("solver")
    message = _message(given, model)
    for field in _TESTS:
        message.ClearField(field)
    epoch = ceil(passes / message.iter_size)
    if "max_epochs" in given or not ("max_iter" in given or base):
        message.max_iter = ceil(given.get("max_epochs", 1) * passes / message.iter_size)
    if tests:
        message.test_interval = given.get("test_interval", epoch)
    return _finished(message, given, base, every=epoch)


def _message(given: Mapping[str, Any], model: Model) -> pb.SolverParameter:
    base: SolverDef | None = given.get("solver")
    message = pb.SolverParameter(base_lr=LEARNING_RATE, lr_policy="fixed")
    if base is not None:
        message.CopyFrom(base.message)
    for field in FIELDS:
        if field not in given:
            continue
        if field == "stepvalue":
            message.stepvalue[:] = given[field]
        else:
            setattr(message, field, given[field])
    if base is None:
        message.net_param.CopyFrom(model.net.definition)
    return message


def _finished(
    message: pb.SolverParameter, given: Mapping[str, Any], base: SolverDef | None, every: int
) -> SolverDef:
    """Return the definition, with snapshots only where a folder for them is given."""
    folder = given.get("checkpoint_dir")
    if folder is None:
        message.ClearField("snapshot")
        message.snapshot_after_train = False
    else:
        message.snapshot = message.snapshot or every
        message.snapshot_prefix = f"{_folder(folder)}/train"
    if message.random_seed < 0:
        message.random_seed = secrets.randbits(31)
    return solver_def(message, base.origin if base else "")


def _folder(path: str) -> str:
    """Return a local folder whole, and made; a URI as it is."""
    local = paths.local_path(path)
    if local is None:
        return path.rstrip("/")
    with paths.explained(path):
        local.mkdir(parents=True, exist_ok=True)
    return str(local.absolute())
