"""Fields of a prototxt that the schema does not know, as plain Python values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any

from google.protobuf.message import Message

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.cursor import add_value, read_value

_INDEX = re.compile(r"\[\d+\]")


def unknown_fields(message: Message) -> dict[str, Any]:
    """Return what the text reader kept beyond the schema.

    Parameters
    ----------
    message : Message
        A NetParameter, LayerParameter, V1LayerParameter or SolverParameter.

    Returns
    -------
    dict
        Nested dicts of field name to value: str, int, float, bool or dict; a list
        where the field stands more than once. An unquoted word (an enum's value)
        is a str. ``pooling_param { norm_region: 7 }`` gives
        ``{"pooling_param": {"norm_region": 7}}``. Which element of a repeated
        known field held it (``param[1].x``) is left out.
    """
    out: dict[str, Any] = {}
    for item in message.unknown_field:  # type: ignore[attr-defined]  # the four messages above have it
        *outer, name = _INDEX.sub("", item.path).split(".")
        place = out
        for part in outer:
            place = place.setdefault(part, {})
        add_value(place, name, read_value(item.text))
    return out


def is_known(path: str, message: Any) -> bool:
    """Return whether the schema has the field ``path``, so that only its value is unknown.

    Parameters
    ----------
    path : str
        Such as "pooling_param.pool".
    message : Descriptor
        The message that the path starts from.
    """
    return path.rpartition(".")[2] in _names(path, message)


def _names(path: str, message: Any) -> list[str]:
    """Return the names of the fields beside the last one of ``path``."""
    for part in path.split(".")[:-1]:
        field = message.fields_by_name.get(_INDEX.sub("", part))
        message = field and field.message_type
        if message is None:
            return []
    return [name for name in message.fields_by_name if name != "unknown_field"]


Place = tuple[int, int]
"""Line and column."""


def unknown_report(message: Message, file: str, read: Collection[Place] = ()) -> list[str]:
    """Return one line for each name of an unknown field in a net or solver.

    Parameters
    ----------
    message : Message
        As the text reader gave it.
    file : str
        Path to name in the lines.
    read : collection of Place
        Where fields stand that are read all the same; they are left out.

    Returns
    -------
    list of str
        Each with the first place of the field, how many layers have it, and a
        known field of nearly the same name where there is one.
    """
    found: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
    for owner, label in _owners(message):
        for item in owner.unknown_field:  # type: ignore[attr-defined]  # _owners yields such messages
            if (item.line, item.column) in read or _names_type(owner, item.path):
                continue
            key = owner.DESCRIPTOR.name, _INDEX.sub("", item.path)
            found.setdefault(key, []).append((item.line, label, item.text))
    return [_line(file, owner, path, places) for (owner, path), places in found.items()]


def _names_type(owner: Message, path: str) -> bool:
    """Return whether the field is a fork's word for V1's ``type``, which becomes the layer's."""
    return isinstance(owner, pb.V1LayerParameter) and path == "type"


def _owners(message: Message) -> Iterator[tuple[Message, str]]:
    """Yield ``message``, nets in it, and their layers, each with its name in a report."""
    yield message, message.DESCRIPTOR.name
    if isinstance(message, pb.NetParameter):
        yield from ((x, f"LayerParameter '{x.name}'") for x in message.layer)
        yield from ((x, f"V1LayerParameter '{x.name or x.layer.name}'") for x in message.layers)
    elif isinstance(message, pb.SolverParameter):
        for net in (message.net_param, message.train_net_param, *message.test_net_param):
            yield from _owners(net)


def _line(file: str, owner: str, path: str, places: list[tuple[int, str, str]]) -> str:
    """Return the report's line on the unknown field ``path``, found at ``places``."""
    line, label, text = places[0]
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    names = _names(path, pb.DESCRIPTOR.message_types_by_name[owner])
    name = path.rpartition(".")[2]
    what = f"unknown value {text} of {path}" if name in names else f"unknown field {path}"
    near = [] if name in names else get_close_matches(name, names, n=1, cutoff=0.85)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{file}:{line}: {label}{more}: {what} (kept; custom layers receive it){hint}"
