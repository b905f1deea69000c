"""Engines of a model in this process, opened once for each use."""

from __future__ import annotations

import weakref

from bigdl_caffe.engine.opening import Opening, Run, find, open_engine, sent
from bigdl_caffe.model import Model

_runs: weakref.WeakKeyDictionary[Model, dict[object, Run]] = weakref.WeakKeyDictionary()


def opened(model: Model, name: str, fetch: tuple[str, ...], rows: int) -> Run:
    """Return what computes ``fetch`` of ``model`` by the engine ``name``.

    Parameters
    ----------
    rows : int
        As many as will be run at a time, mostly.
    """
    if find(name).exact:
        return lambda feed: model.run(feed, fetch)
    runs = _runs.setdefault(model, {})
    key = (name, fetch, rows, model.exposed)
    if key not in runs:
        net = model if model.exposed else sent(model, name, fetch)
        runs[key] = open_engine(name, Opening(net, fetch, rows))
    return runs[key]
