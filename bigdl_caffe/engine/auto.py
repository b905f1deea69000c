"""engine="auto": every engine that is possible here is timed once a host, and the quickest runs."""

from __future__ import annotations

import json
import logging
import os
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from bigdl_caffe.engine.check import departure
from bigdl_caffe.engine.memory import is_out_of_memory
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.host_folder import told_once
from bigdl_caffe.verify.feeds import make_feed

if TYPE_CHECKING:
    from bigdl_caffe.engine.opening import Opening

Array = np.ndarray[Any, Any]
Compute = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]

SECONDS = 2.0
"""How long the engines are timed, all together, once they are open."""

ROUNDS = 7
"""How often each is timed at most, and three times at least; the median counts."""

ASKED = "BIGDL_CAFFE_AUTO"
"""Environment variable with the engines to choose from, as "torch,compiled"."""

USUAL = ("torch", "onnxruntime", "openvino")
"""What is chosen from by default. A compiler takes longer than most jobs win by it."""

_NONE = "exact"
"""What computes where none of them is right."""

_log = logging.getLogger(__name__)


def open_auto(opening: Opening) -> Compute:
    """Return the net of ``opening`` by the engine that is the quickest on this host.

    An engine that cannot be opened here, or departs from the exact path, is left out, and the
    log says why; the exact path is taken if none is left. The processes of a host that share a
    model time the engines once.

    Raises
    ------
    CaffeError
        For a name in `ASKED` that is no engine's.
    """
    names = candidates()
    if not opening.shared:
        opened = _opened(opening, names)
        return opened[_quickest(_times(opening, opened))]
    key = f"{opening.key}-{'-'.join(names)}-{_here(names)}"
    told = told_once(
        "auto", key, lambda: json.dumps(_times(opening, _opened(opening, names))), _best
    )
    return _open(_best(told), opening)


def candidates() -> tuple[str, ...]:
    """Return the engines to choose from."""
    from bigdl_caffe.engine.opening import find  # it has this engine among its own

    asked = os.environ.get(ASKED, "")
    names = tuple(name.strip() for name in asked.split(",") if name.strip()) or USUAL
    for name in names:
        if find(name).exact or name == "auto":
            raise CaffeError(f"{ASKED} is '{asked}': 'auto' cannot choose '{name}'")
    return names


def _here(names: tuple[str, ...]) -> str:
    """Return the versions of the packages that engines are called after, and are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in names:
        try:
            found.append(version(name) if name != "torch" else "")
        except PackageNotFoundError:
            found.append("none")
    return "-".join(found)


def _best(told: str) -> str:
    """Return the quickest engine, of times as they are written; raise for what is no such text."""
    from bigdl_caffe.engine.opening import find  # it has this engine among its own

    return find(_quickest({name: float(time) for name, time in json.loads(told).items()})).name


def _quickest(times: Mapping[str, float]) -> str:
    return min(times, key=lambda name: times[name])


def _opened(opening: Opening, names: tuple[str, ...]) -> dict[str, Compute]:
    """Return the engines that open here and are right; the exact path if there is none."""
    found = {}
    for name in names:
        try:
            compute = _open(name, opening)
            reason = departure(opening.run_by(compute), opening.model, opening.fetch, opening.rows)
        except Exception as error:  # of another's engine, too: it is left out
            if is_out_of_memory(error):
                raise
            kind = "" if isinstance(error, CaffeError) else f"{type(error).__name__}: "
            reason = f"{kind}{error}"
        if reason:
            _log.warning("engine 'auto' leaves '%s' out: %s", name, reason)
        else:
            found[name] = compute
    return found or {_NONE: _open(_NONE, opening)}


def _open(name: str, opening: Opening) -> Compute:
    from bigdl_caffe.engine.opening import find  # it has this engine among its own

    made = find(name).open
    return made(opening) if made else partial(opening.model.module, fetch=opening.fetch)


def _times(opening: Opening, engines: Mapping[str, Compute]) -> dict[str, float]:
    """Return the median seconds of a batch by each engine, timed in turn."""
    if len(engines) == 1:
        return dict.fromkeys(engines, 0.0)
    runs = {name: opening.run_by(compute) for name, compute in engines.items()}
    feed = _batch(opening)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(feed)
    end = time.perf_counter() + SECONDS
    for done in range(ROUNDS):
        if done >= 3 and time.perf_counter() > end:
            break
        for name, run in runs.items():
            start = time.perf_counter()
            run(feed)
            taken[name].append(time.perf_counter() - start)
    opening.model.reset()
    times = {name: statistics.median(each) for name, each in taken.items()}
    _log.info("engine 'auto', seconds a batch: %s", times)
    return times


def _batch(opening: Opening) -> dict[str, Array]:
    """Return a made-up batch of as many rows as will be run, where the net takes them."""
    model = opening.model
    feed = make_feed(model)
    if feed.keys() != model.inputs.keys() or not model.row_wise(opening.fetch):
        return feed
    return {blob: np.resize(rows, (opening.rows, *rows.shape[1:])) for blob, rows in feed.items()}
