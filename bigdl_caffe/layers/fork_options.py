"""Options of forks whose parameter messages the schema lacks, read from ``spec.unknown``."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef

Messages = Mapping[str, Mapping[str, Any]]
"""Message → field → default; a message within one is a field whose default is a mapping."""


def fork_options(spec: LayerDef, messages: Messages) -> dict[str, dict[str, Any]]:
    """Return the fields of forks' parameter messages, by message.

    Parameters
    ----------
    spec : LayerDef
        The layer.
    messages : mapping
        Every field that is computed, with its default, by the message's name in the prototxt,
        such as "reverse_param". The default's type is the field's: bool, int, float, str, list
        (a repeated field), mapping (a message) or FillerParameter. Defaults are copied.

    Raises
    ------
    UnsupportedLayerError
        For a field of such a message that is not listed.
    ShapeError
        For a value of another type.
    """
    unknown = spec.unknown if messages else {}
    return {name: _fields(unknown.get(name, {}), name, known) for name, known in messages.items()}


def _fields(given: Any, message: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ShapeError(f"{message} is {given!r}: give it once, as {message} {{ ... }}")
    return known_options(given, message, defaults)


def known_options(
    given: dict[str, Any], message: str, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return ``defaults`` overridden by what is ``given``; see `fork_options`.

    Parameters
    ----------
    given : dict
        Names and values, of whatever form of text.
    message : str
        What holds them, for the errors.
    defaults : mapping
        Every option that is computed, with its default.
    """
    strange = given.keys() - defaults.keys()
    if strange:
        raise UnsupportedLayerError(
            f"{message} has {sorted(strange)}, an option of another fork that is not computed "
            f"here; computed are {list(defaults)}"
        )
    read = {name: _read(f"{message}.{name}", x, defaults[name]) for name, x in given.items()}
    return {**deepcopy(dict(defaults)), **read}


def _read(name: str, value: Any, default: Any) -> Any:
    kind = type(default)
    if isinstance(default, Mapping):
        return _fields(value, name, default)
    try:
        if kind is list:
            return value if isinstance(value, list) else [value]
        if kind is pb.FillerParameter:
            return pb.FillerParameter(**value)
        if type(value) in _TAKES.get(kind, (kind,)) and (kind is not bool or value in (0, 1)):
            return kind(value)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name} is {value!r}, which is no {kind.__name__}: {error}") from None
    raise ShapeError(f"{name} is {value!r}: give a value of type {kind.__name__}")


_TAKES: dict[type, tuple[type, ...]] = {float: (int, float), bool: (bool, int)}
"""What a field of a type is written as; any other is written as its own type."""
