"""Layer definitions to layer objects, with every problem of the net in one error."""

from __future__ import annotations

from collections.abc import Sequence

from bigdl_caffe.errors import CaffeError, NetError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.unknown import is_known
from bigdl_caffe.graph.ir import LayerDef
from bigdl_caffe.layers.registry import Layer, Registry, find

HARMLESS = {"engine"}
"""Fields that choose how a layer computes, and not what."""


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
    if not cls.takes_unknown_values:
        _refuse_unknown_values(spec)
    own = spec.param.HasField("phase")  # as Net::Init, which gives a layer its net's only then
    layer = cls(spec, pb.Phase.Name(spec.param.phase) if own else phase)
    if not hasattr(layer, "spec"):
        raise NetError(f"{cls.__name__}.__init__ has to call super().__init__(spec, phase)")
    return layer


def _refuse_unknown_values(spec: LayerDef) -> None:
    """Raise for a field the schema has with a value it lacks: the default would be computed."""
    for item in spec.param.unknown_field:
        parameter, _, name = item.path.rpartition(".")
        known = is_known(item.path, pb.LayerParameter.DESCRIPTOR)
        if parameter and known and name not in HARMLESS:
            raise UnsupportedLayerError(
                f"{item.path}: {item.text} (line {item.line}) is a value that no layer here "
                f"computes; pass converters={{'{spec.type}': YourLayer}} to say how it does"
            )


def _named(spec: LayerDef, error: CaffeError) -> list[str]:
    prefix = str(spec)
    return [p if p.startswith(prefix) else f"{prefix}: {p}" for p in error.problems]
