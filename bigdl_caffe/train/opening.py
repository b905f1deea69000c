"""From solver.prototxt to a `Solver` that is ready to run on its nets' own data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import PathLike
from bigdl_caffe.layers.registry import Layer
from bigdl_caffe.model import Model
from bigdl_caffe.spark.device import use_exact_floats
from bigdl_caffe.train.definition import SolverDef, read_solver
from bigdl_caffe.train.events import Observer, Rule
from bigdl_caffe.train.feeds import Array
from bigdl_caffe.train.nets import net_to_test, read_source, train_net
from bigdl_caffe.train.own_data import OwnData, OwnTestData
from bigdl_caffe.train.ranks import Ranks
from bigdl_caffe.train.solver import Solver
from bigdl_caffe.train.testing import Test


def load_solver(
    solver: PathLike | SolverDef,
    weights: PathLike | Sequence[PathLike] = (),
    *,
    converters: Mapping[str, type[Layer]] | None = None,
    arrays: Mapping[str, Array] | None = None,
    ranks: Ranks | None = None,
    observers: Sequence[Observer] = (),
    rules: Sequence[Rule] = (),
    synchronised: bool = False,
    device: str | torch.device = "cpu",
) -> Solver:
    """Return the solver of a ``solver.prototxt``, as ``caffe.get_solver`` does.

    Names in the solver and its nets are relative to the working directory, as in Caffe.

    Parameters
    ----------
    solver : path, URI or SolverDef
    weights : path or URI, or a sequence of them
        Files to begin with besides those that the solver names: Caffe's ``--weights``. Layers
        that they lack begin with their fillers.
    converters : mapping of str to Layer subclass, optional
        As of `Model.load_caffe_model`.
    arrays : mapping of str to ndarray, optional
        Top of a MemoryData layer → all its rows.
    ranks, observers, rules, synchronised
        As of `Solver`.
    device : str or torch.device
        Where to compute: "cpu", or "cuda:0" for the first GPU. The solver's own solver_mode
        and device_id say nothing.

    Raises
    ------
    CaffeError
        For what is wrong with the solver, its nets or their data.

    Examples
    --------
    >>> solver = load_solver("lenet_solver.prototxt")
    >>> solver.step(100)
    >>> solver.net.save_caffe("lenet.prototxt", "lenet.caffemodel")
    """
    definition = solver if isinstance(solver, SolverDef) else read_solver(solver)
    group, given = ranks or Ranks(), dict(arrays or {})
    seed = definition.random_seed if definition.random_seed >= 0 else None
    files = [weights] if isinstance(weights, (str, os.PathLike)) else list(weights)
    begin = [*definition.weights, *map(str, files)]
    net = train_net(definition.train_net, begin, seed, converters)
    _move(net, torch.device(device))
    data = OwnData(net, seed, arrays=_own(given, net), rank=group.rank, size=group.size)
    tests = []
    for source, passes in zip(definition.test_nets, definition.test_iter, strict=True):
        read = read_source(source, converters)
        model = net_to_test(net, read, source.state(read))
        own = replace(data, model=model, arrays=_own(given, model))
        tests.append(Test(model, OwnTestData(own, passes)))
    _check_arrays(given, [net, *(test.model for test in tests)])
    return Solver(
        definition,
        net,
        data,
        tests,
        ranks=group,
        observers=observers,
        rules=rules,
        synchronised=synchronised,
    )


def _move(model: Model, device: torch.device) -> None:
    if device.type == "cuda" and not (device.index or 0) < torch.cuda.device_count():
        raise CaffeError(
            f"there is no device {device}: torch {torch.__version__} sees "
            f"{torch.cuda.device_count()} GPUs here"
        )
    use_exact_floats(device)
    model.to_torch().to(device)


def _own(arrays: Mapping[str, Array], model: Model) -> dict[str, Array]:
    """Return the arrays that the net's data layers show."""
    tops = {top for layer in model.net.layers if not layer.bottoms for top in layer.tops}
    return {blob: array for blob, array in arrays.items() if blob in tops}


def _check_arrays(arrays: Mapping[str, Array], models: Iterable[Model]) -> None:
    used = {blob for model in models for blob in _own(arrays, model)}
    if unknown := sorted(arrays.keys() - used):
        raise CaffeError(f"arrays has {', '.join(unknown)}, which no data layer of the nets makes")
