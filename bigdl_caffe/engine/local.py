"""Engines of a model in this process, opened once for each use."""

from __future__ import annotations

from collections.abc import Callable

from bigdl_caffe.engine.opening import Opening, Run, find, open_engine, sent
from bigdl_caffe.model import Model

KEPT = 4
"""Engines that a model keeps open: the ones used last. Each may have the weights once more."""


def opened(model: Model, name: str, fetch: tuple[str, ...], rows: int) -> Run:
    """Return what computes ``fetch`` of ``model`` by the engine ``name``.

    Recurrent layers begin anew.

    Parameters
    ----------
    rows : int
        As many as will be run at a time, mostly.
    """
    engine = find(name)
    if engine.exact:
        return lambda feed: model.run(feed, fetch)
    live = model.exposed and not engine.frozen
    net = model if live else sent(model, name, fetch)
    opening = Opening(net, fetch, rows)
    net.reset()
    return kept(
        model,
        (name, fetch, rows, live or net.content_hash if model.exposed else ""),
        lambda: open_engine(name, opening),
    )


def kept(model: Model, key: object, make: Callable[[], Run]) -> Run:
    """Return the engine that was opened under ``key``, or is now."""
    run: Run = model.opened.pop(key, None) or make()
    model.opened[key] = run  # the last one; another thread may take it out, or put its own there
    for old in tuple(model.opened)[:-KEPT]:
        model.opened.pop(old, None)
    return run
