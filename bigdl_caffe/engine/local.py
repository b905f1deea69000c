"""Engines of a model in this process, opened once for each use."""

from __future__ import annotations

from bigdl_caffe.engine.opening import Opening, Run, find, open_engine, sent
from bigdl_caffe.model import Model


def opened(model: Model, name: str, fetch: tuple[str, ...], rows: int) -> Run:
    """Return what computes ``fetch`` of ``model`` by the engine ``name``.

    Parameters
    ----------
    rows : int
        As many as will be run at a time, mostly.
    """
    if find(name).exact:
        return lambda feed: model.run(feed, fetch)
    key = (name, fetch, rows, model.exposed)
    if key not in model.opened:
        net = model if model.exposed else sent(model, name, fetch)
        model.opened[key] = open_engine(name, Opening(net, fetch, rows))
    run: Run = model.opened[key]
    return run
