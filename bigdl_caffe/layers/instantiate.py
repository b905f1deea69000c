"""Layer definitions to layer objects, with every problem of the net in one error."""

from __future__ import annotations

from collections.abc import Sequence

from bigdl_caffe.errors import CaffeError, NetError, UnsupportedLayerError
from bigdl_caffe.graph.ir import LayerDef
from bigdl_caffe.layers.registry import Layer, Registry, find


def instantiate(specs: Sequence[LayerDef], types: Registry, phase: str) -> tuple[Layer, ...]:
    """Return one `Layer` for each definition.

    Raises
    ------
    UnsupportedLayerError
        When layer types are not registered, listing them and everything else found.
    NetError
        When only numbers of bottoms and tops or options are wrong, listing them all.
    """
    layers: list[Layer] = []
    problems: list[str] = []
    kind: type[CaffeError] = NetError
    for spec in specs:
        try:
            layers.append(_one(spec, types, phase))
        except UnsupportedLayerError as error:
            kind = UnsupportedLayerError
            problems += _named(spec, error)
        except CaffeError as error:
            problems += _named(spec, error)
    if problems:
        raise kind(*problems)
    return tuple(layers)


def _one(spec: LayerDef, types: Registry, phase: str) -> Layer:
    cls = find(types, spec)
    for what, blobs, arity in (
        ("bottom", spec.bottoms, cls.bottoms),
        ("top", spec.tops, cls.tops),
    ):
        if len(blobs) not in arity:
            raise NetError(f"it takes {arity} {what} blobs and has {len(blobs)}: {list(blobs)}")
    return cls(spec, phase)


def _named(spec: LayerDef, error: CaffeError) -> list[str]:
    prefix = str(spec)
    return [p if p.startswith(prefix) else f"{prefix}: {p}" for p in error.problems]
