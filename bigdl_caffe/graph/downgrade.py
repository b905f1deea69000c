"""V2 definitions rewritten to V1: the inverse of `graph.upgrade`, where V1 can hold them.

What V1 can hold is what Caffe's own schema says of a ``V1LayerParameter``: of the options
of a type that V1 has, all that the schema has today.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.forks import WORDS
from bigdl_caffe.graph.upgrade import (
    REWRITTEN,
    SHARE_MODES,
    TRANSFORM_FIELDS,
    V1_DATA_PARAMS,
    V1_TYPES,
)

ENUMS = {name: enum for enum, name in V1_TYPES.items()}
"""V1's enum by V2's type."""

FORK_ENUMS = WORDS["V1LayerParameter.LayerType"]
"""Enums of forks, which `upgrade` keeps as types of the same name."""

TYPES = frozenset({*ENUMS, *FORK_ENUMS, "Input"})
"""The types that V1 can hold; an Input layer as ``input`` fields of the net."""

FOLDED = frozenset({"BatchNorm", "Bias", "Scale"})
"""The types that `graph.fold` can take away."""

_V1_FIELDS = frozenset(field.name for field in pb.V1LayerParameter.DESCRIPTOR.fields)
_COMMON = _V1_FIELDS & frozenset(f.name for f in pb.LayerParameter.DESCRIPTOR.fields) - REWRITTEN
_PARAM_COLUMNS = (
    ("name", "param"),
    ("share_mode", "blob_share_mode"),
    ("lr_mult", "blobs_lr"),
    ("decay_mult", "weight_decay"),
)
_V1_VALUES = {("share_mode", v2): v1 for v1, v2 in SHARE_MODES.items()}


def downgrade(net: pb.NetParameter) -> pb.NetParameter:
    """Return ``net`` in V1 terms.

    `upgrade` gives the same net again, but that Input layers are one, called "input" and first
    in the net, and that multipliers of 1 may stand where none stood.

    Parameters
    ----------
    net : NetParameter
        In V2 terms; not changed.

    Raises
    ------
    UnsupportedLayerError
        With every layer, option and parameter that V1 has no words for.
    """
    inputs = [layer for layer in net.layer if layer.type == "Input"]
    others = [layer for layer in net.layer if layer.type != "Input"]
    problems = [
        f"layer '{layer.name}' ({layer.type}): {problem}"
        for layers, check in ((inputs, _input_problems), (others, _problems))
        for layer in layers
        for problem in check(layer)
    ]
    if len({bool(layer.input_param.shape) for layer in inputs}) > 1:
        problems.append("some Input layers have shapes and some have none: V1 takes all or none")
    if problems:
        raise UnsupportedLayerError(*problems)
    out = pb.NetParameter()
    out.CopyFrom(net)
    del out.layer[:]
    _inputs_to_fields(inputs, out)
    out.layers.extend(map(_whole_layer, others))
    return out


def v1_layer(layer: pb.LayerParameter) -> pb.V1LayerParameter:
    """Return a V1 layer of the name, type and blobs of ``layer``, without its options."""
    v1 = pb.V1LayerParameter(bottom=layer.bottom, top=layer.top)
    if layer.HasField("name"):
        v1.name = layer.name
    if layer.HasField("type") and layer.type in ENUMS:
        setattr(v1, "type", ENUMS[layer.type])  # noqa: B010  (protobuf takes names, stubs do not)
    elif layer.type in FORK_ENUMS:
        v1.unknown_field.add(path="type", text=layer.type)
    return v1


def _problems(layer: pb.LayerParameter) -> Iterator[str]:
    """Yield why V1 cannot hold ``layer``, each with what to do."""
    if layer.HasField("type") and layer.type not in TYPES:
        fold = ", or fold=True to fold it into the layer before" * (layer.type in FOLDED)
        yield f"V1 has no such type: save with use_v2=True{fold}"
        return
    lost = [
        *_lost(layer, {*_COMMON, "name", "type", "param"}, _stays_unknown),
        *_moved_by_upgrade(layer),
        *(f"{key} of a shared param" for key in ("lr_mult", "decay_mult") if _has_gap(layer, key)),
    ]
    if lost:
        yield f"V1 has no {', '.join(lost)} there: save with use_v2=True"


def _lost(
    layer: pb.LayerParameter, known: Collection[str], kept: Callable[[str], bool]
) -> list[str]:
    """Return the fields of ``layer`` beside the ``known`` ones, and unknown ones not ``kept``."""
    fields = [field.name for field, _ in layer.ListFields()]
    return [
        *(name for name in fields if name not in {*known, "unknown_field"}),
        *(item.path for item in layer.unknown_field if not kept(item.path)),
    ]


def _stays_unknown(path: str) -> bool:
    """Return whether a field that V2 does not know is not known to V1 either."""
    first = re.split(r"[.\[]", path)[0]
    return first not in _V1_FIELDS if first == path else first in _COMMON


def _moved_by_upgrade(layer: pb.LayerParameter) -> list[str]:
    """Return fields that V2 does not read and that, in V1, would become ``transform_param``."""
    name = V1_DATA_PARAMS.get(ENUMS.get(layer.type, ""))
    old = name and getattr(layer, name)
    return [f"{name}.{key}" for key in TRANSFORM_FIELDS if old and old.HasField(key)]


def _has_gap(layer: pb.LayerParameter, key: str) -> bool:
    """Return whether the default would have to be written for a shared blob, which may differ."""
    specs = layer.param[: len(_column(layer, key))]
    return any(spec.name and not spec.HasField(key) for spec in specs)


def _column(layer: pb.LayerParameter, key: str) -> list[Any]:
    """Return ``key`` of the params up to the last that has it."""
    last = max((i for i, spec in enumerate(layer.param) if spec.HasField(key)), default=-1)
    return [getattr(spec, key) for spec in layer.param[: last + 1]]


def _whole_layer(layer: pb.LayerParameter) -> pb.V1LayerParameter:
    v1 = v1_layer(layer)
    for descriptor, value in layer.ListFields():
        if descriptor.name in _COMMON - {"bottom", "top"}:
            target = getattr(v1, descriptor.name)
            (target.extend if hasattr(target, "extend") else target.CopyFrom)(value)
    for key, field in _PARAM_COLUMNS:
        getattr(v1, field).extend(_V1_VALUES.get((key, x), x) for x in _column(layer, key))
    return v1


def _input_problems(layer: pb.LayerParameter) -> Iterator[str]:
    """Yield why ``input`` fields of the net cannot stand for an Input layer."""
    lost = _lost(layer, {"name", "type", "top", "input_param"}, lambda path: False)
    if lost:
        yield f"inputs of a V1 net have no {', '.join(lost)}: save with use_v2=True"
    if len(layer.input_param.shape) not in (0, 1, len(layer.top)):
        yield f"{len(layer.input_param.shape)} shapes for {len(layer.top)} tops: give one, or each"


def _inputs_to_fields(inputs: Sequence[pb.LayerParameter], net: pb.NetParameter) -> None:
    """Write Input layers as ``input`` with four ``input_dim`` each, or as ``input_shape``."""
    shapes: list[Any] = []
    for layer in inputs:
        net.input.extend(layer.top)
        given = list(layer.input_param.shape)
        shapes += given * len(layer.top) if len(given) == 1 else given
    if all(len(shape.dim) == 4 for shape in shapes):
        net.input_dim.extend(dim for shape in shapes for dim in shape.dim)
    else:
        net.input_shape.extend(shapes)
