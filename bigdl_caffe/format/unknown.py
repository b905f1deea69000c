"""Fields of a prototxt that the schema does not know, as plain Python values."""

from __future__ import annotations

import re
from collections.abc import Iterator
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


def unknown_report(message: Message, file: str) -> list[str]:
    """Return one line for each name of an unknown field in a net or solver.

    Parameters
    ----------
    message : Message
        As the text reader gave it.
    file : str
        Path to name in the lines.

    Returns
    -------
    list of str
        Each with the first place of the field, how many layers have it, and a
        known field of nearly the same name where there is one.
    """
    found: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
    for owner, label in _owners(message):
        for item in owner.unknown_field:  # type: ignore[attr-defined]  # _owners yields such messages
            key = owner.DESCRIPTOR.name, _INDEX.sub("", item.path)
            found.setdefault(key, []).append((item.line, label, item.text))
    return [_line(file, owner, path, places) for (owner, path), places in found.items()]


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
    *outer, name = path.split(".")
    descriptor: Any = pb.DESCRIPTOR.message_types_by_name[owner]
    for part in outer:
        descriptor = descriptor.fields_by_name[part].message_type
    known = [n for n in descriptor.fields_by_name if n != "unknown_field"]
    what = f"unknown value {text} of {path}" if name in known else f"unknown field {path}"
    near = [] if name in known else get_close_matches(name, known, n=1, cutoff=0.85)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{file}:{line}: {label}{more}: {what} (kept; custom layers receive it){hint}"
