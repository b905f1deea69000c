"""Fields of a prototxt that the schema does not know, as plain Python values."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message


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
        ``{"pooling_param": {"norm_region": 7}}``.
    """
    from bigdl_caffe.format.prototxt import read_value  # the reader needs this module's caller

    out: dict[str, Any] = {}
    for item in message.unknown_field:  # type: ignore[attr-defined]  # the four messages above have it
        *outer, name = item.path.split(".")
        place = out
        for part in outer:
            place = place.setdefault(part, {})
        value = read_value(item.text)
        if name not in place:
            place[name] = value
        elif isinstance(place[name], list):
            place[name].append(value)
        else:
            place[name] = [place[name], value]
    return out
