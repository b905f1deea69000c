"""Sub-nets: what requested blobs need, and what scoring can do without."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.graph.ir import LayerDef
from bigdl_caffe.graph.names import ALIAS, AUTOMATIC


def blob_names(layers: Iterable[LayerDef]) -> list[str]:
    """Return every blob that ``layers`` make, in order of first writing."""
    return list(dict.fromkeys(blob for layer in layers for blob in layer.tops))


def check_blobs(wanted: Iterable[str], made: Collection[str]) -> None:
    """Raise `CaffeError` naming every blob of ``wanted`` that is not ``made``."""
    missing = [blob for blob in wanted if blob not in made]
    if missing:
        raise CaffeError(
            *(
                f"there is no blob '{blob}' in this net; it makes: {', '.join(made)}"
                for blob in missing
            )
        )


def ancestors(layers: Sequence[LayerDef], wanted: Collection[str]) -> tuple[LayerDef, ...]:
    """Return the layers that ``wanted`` values need, in order."""
    needed = set(wanted)
    kept = []
    for layer in reversed(layers):
        if needed.intersection(layer.writes):
            kept.append(layer)
            needed.update(layer.reads)
    return tuple(reversed(kept))


def values_read(layers: Iterable[LayerDef], fetch: Iterable[str]) -> set[str]:
    """Return the values that ``layers`` read, and those of ``fetch``."""
    return {*fetch, *(value for layer in layers for value in layer.reads)}


def without(
    layers: Sequence[LayerDef],
    dropped: Callable[[LayerDef], bool],
    is_label: Callable[[LayerDef, int], bool],
    is_input: Callable[[LayerDef], bool],
) -> tuple[LayerDef, ...]:
    """Return ``layers`` without ``dropped`` ones and what only served them.

    Layers that read a dropped layer's tops go too. A value read only as a label by
    dropped layers is of no use to scoring, nor is what only made it; a prediction
    that a dropped loss read stays, as an output.

    Parameters
    ----------
    layers : sequence of LayerDef
        With values named.
    dropped : callable
        Whether scoring drops the layer (losses, metrics, sinks).
    is_label : callable
        Whether the i-th bottom of a dropped layer is of no use to scoring.
    is_input : callable
        Whether the caller feeds the layer's tops.
    """
    if not any(map(dropped, layers)):
        return tuple(layers)
    gone = downstream(layers, dropped)
    wanted: set[str] = set()
    label_only: set[str] = set()
    kept = []
    for layer in reversed(layers):
        if dropped(layer) or not gone.isdisjoint(layer.reads):
            for i, value in enumerate(layer.reads):
                (label_only if is_label(layer, i) else wanted).add(value)
            continue
        unread = [v for v in layer.writes if v not in wanted and v not in label_only]
        is_end = bool(unread) and not is_input(layer)
        if is_end or wanted.intersection(layer.writes):
            kept.append(layer)
            wanted.update(layer.reads)
        else:
            label_only.update(layer.reads)
    return tuple(reversed(kept))


def downstream(layers: Sequence[LayerDef], starts: Callable[[LayerDef], bool]) -> set[str]:
    """Return the values that layers which ``starts``, and all that read from them, make."""
    reached: set[str] = set()
    for layer in layers:
        if starts(layer) or not reached.isdisjoint(layer.reads):
            reached.update(layer.writes)
    return reached


def dangling(layers: Sequence[LayerDef]) -> tuple[str, ...]:
    """Return the blobs that nothing consumes, sorted as pycaffe's ``net.outputs``.

    Caffe counts by blob name: an in-place layer takes its blob and offers it again.
    """
    offered: dict[str, None] = {}
    for layer in layers:
        if layer.type == ALIAS:
            continue
        for blob in layer.bottoms:
            offered.pop(blob, None)
        offered.update(dict.fromkeys(top for top in layer.tops if not top.startswith(AUTOMATIC)))
    return tuple(sorted(offered))
