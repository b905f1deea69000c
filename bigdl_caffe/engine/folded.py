"""The net that is sent: the one asked for, folded, without the layers that nothing asks for."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from threading import RLock

import numpy as np

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.graph.deploy import deploy
from bigdl_caffe.graph.fold import Blobs, Folded, fold
from bigdl_caffe.graph.names import ALIAS
from bigdl_caffe.layers.assemble import Options, assemble
from bigdl_caffe.layers.registry import registry
from bigdl_caffe.model import Model
from bigdl_caffe.save import contents
from bigdl_caffe.weights.match import LoadReport
from bigdl_caffe.weights.slots import plan_slots
from bigdl_caffe.weights.table import WeightTable

_lock = RLock()
_made: weakref.WeakKeyDictionary[Model, dict[tuple[object, ...], Model | None]] = (
    weakref.WeakKeyDictionary()
)
"""Model → blobs → what is folded of it; None for itself, which would keep the weak key alive."""


def folded(model: Model, fetch: Sequence[str]) -> Model:
    """Return a model of the same ``fetch``, up to rounding, with less to compute and to send.

    BatchNorm, Scale and Bias are folded into the layer before them, and layers that ``fetch``
    does not need fall away.

    Parameters
    ----------
    model : Model
        Not changed; the new one shares the memory of weights that stay as they are, and lives
        as long as this one does.
    fetch : sequence of str
        Blobs.

    Returns
    -------
    Model
        ``model`` itself where there is nothing to gain, or its definition cannot be cut: a net
        of the TRAIN phase, layers of one name, a value that an in-place layer overwrites.
    """
    wanted = tuple(dict.fromkeys(fetch))
    with _lock:
        known = _made.setdefault(model, {})
        if wanted not in known or model.exposed:
            now, before = _fold(model, wanted), known.get(wanted)
            if not (now and before and now.content_hash == before.content_hash):
                known[wanted] = now
        return known[wanted] or model


def companion(model: Model, key: tuple[object, ...], now: str, make: Callable[[], Model]) -> Model:
    """Return what ``make`` made of ``model`` and its weights as they are.

    Parameters
    ----------
    model : Model
        The new one lives as long, and must not refer to it.
    key : tuple
        What is made.
    now : str
        Tells the weights: what was made of others is dropped.
    make : callable
    """
    with _lock:
        known = _made.setdefault(model, {})
        whole = (*key, now)
        found = known.get(whole)
        if found is None:
            for old in [each for each in known if each[: len(key)] == key]:
                del known[old]
            found = known[whole] = make()
        return found


def derived(model: Model) -> Iterable[Model]:
    """Return what `folded` and `companion` made of ``model``."""
    with _lock:
        return tuple(made for made in _made.get(model, {}).values() if made)


def _fold(model: Model, fetch: tuple[str, ...]) -> Model | None:
    """Return the net for ``fetch``; None where that is the model itself."""
    if not _can_be_cut(model, fetch):
        return None
    net = model.net
    options = Options(outputs=fetch, input_shapes=dict(net.inputs))
    types = registry(model.converters)
    saved = contents(net, model.slots, model.weights())
    blobs: Blobs = {each.layer.name: each.blobs for each in saved.layers}
    try:
        cut = assemble(deploy(net), options, types)
        made = fold(cut.net, blobs)
        whole = assemble(made.definition, options, types)
    except CaffeError:  # a layer that reads what lies outside of the net, say: it runs as it is
        return None
    if whole.net.inputs.keys() != net.inputs.keys():
        return None  # what is fed stays what it was
    left = {layer.name for layer in whole.net.layers}
    if not made.gone and all(each.layer.name in left for each in saved.layers if each.blobs):
        return None
    slots = plan_slots(whole.net, whole.layers)
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}
    for slot in slots:
        name = whole.net.layers[slot.layer].name
        arrays.setdefault(slot.key, _blobs(made, blobs, name)[slot.index])
    table = WeightTable(arrays)
    return Model(whole, slots, table, options, model.converters, LoadReport(), model.source)


def _blobs(made: Folded, blobs: Blobs, name: str) -> Sequence[np.ndarray]:
    return made.blobs.get(name, blobs[name])


def _can_be_cut(model: Model, fetch: tuple[str, ...]) -> bool:
    net = model.net
    names = Counter(layer.name for layer in net.layers if layer.type != ALIAS)
    known = {blob for layer in net.layers for blob in layer.tops}
    return net.phase == "TEST" and known.issuperset(fetch) and max(names.values(), default=1) == 1
