"""Engines of a model in this process, opened once for each use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from bigdl_caffe.engine.opening import Opening, Run, find, open_engine, sent
from bigdl_caffe.feeding import check_feed
from bigdl_caffe.model import Model
from bigdl_caffe.runner import Array, Feed
from bigdl_caffe.transfer import aligned

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
        return partial(_exact, model, fetch)
    live = model.exposed and not engine.frozen
    net = model if live else sent(model, name, fetch)
    opening = Opening(net, fetch, rows)
    net.reset()
    state = live or net.content_hash if model.exposed else ""
    key = (name, fetch, rows, torch.get_num_threads(), state)  # sessions keep to their threads
    return kept(model, key, lambda: open_engine(name, opening))


def at_once(name: str, rows: int, row_wise: bool) -> int:
    """Return how many of ``rows`` the engine ``name`` runs at a time of a net that may mix them."""
    return rows if row_wise and not find(name).alone else 1


def _exact(model: Model, fetch: tuple[str, ...], feed: Feed) -> dict[str, Array]:
    """Run the net; kernels may round by where a row begins in memory, and torch's begins alike."""
    arrays = check_feed(feed, model.net, fetch, model.module.generated)
    return model.run({blob: aligned(array) for blob, array in arrays.items()}, fetch)


def kept(model: Model, key: object, make: Callable[[], Run]) -> Run:
    """Return the engine that was opened under ``key``, or is now."""
    run: Run = model.opened.pop(key, None) or make()
    model.opened[key] = run  # the last one; another thread may take it out, or put its own there
    for old in tuple(model.opened)[:-KEPT]:
        model.opened.pop(old, None)
    return run
