"""A layer's options, given as keywords, to its LayerParameter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.cursor import field_text
from bigdl_caffe.format.schema import UNKNOWN, schema
from bigdl_caffe.layers.registry import Layer
from bigdl_caffe.layers.support import messages

_FIELDS = pb.LayerParameter.DESCRIPTOR.fields_by_name
_OURS = {"name", "type", "bottom", "top", "blobs", UNKNOWN}
"""Fields of LayerParameter that the graph fills in, and not the caller."""

_ENUM_VALUE = re.compile("[A-Z][A-Z0-9_]*")


def option_paths(kind: str, cls: type[Layer]) -> dict[str, str]:
    """Return each option of a layer type with its place in LayerParameter.

    Those of the type's own messages, options of forks among them, go by their plain names:
    ``num_output`` → ``convolution_param.num_output``. The rest are LayerParameter's, as
    ``loss_weight``, ``param`` and whole messages. As pycaffe's net_spec.py has it.

    Parameters
    ----------
    kind : str
        Caffe's type.
    cls : type
        The class that computes it.
    """
    paths = {field: field for field in _FIELDS if field not in _OURS}
    for message in reversed(messages(kind, cls)):
        holder = _FIELDS[message].message_type if message in _FIELDS else None
        known = holder.fields_by_name if holder is not None else ()
        fields = (*known, *cls.fork_options.get(message, ()))
        paths |= {field: f"{message}.{field}" for field in fields}
    return paths


def layer_message(
    kind: str, cls: type[Layer], name: str, options: Mapping[str, Any]
) -> pb.LayerParameter:
    """Return the message of a layer without its blobs' names.

    Parameters
    ----------
    kind, cls
        As of `option_paths`.
    name : str
        The layer's name; "" to be named later.
    options : mapping of str to value
        Enum values by their names, messages as dicts; one number stands for a list of one.
        Options that only forks have become unknown fields, as a prototxt's do.

    Raises
    ------
    CaffeError
        For all options that the type lacks, with near names, and values of a wrong type.
    """
    paths, label = option_paths(kind, cls), f"{kind} '{name}'" if name else kind
    strange = [option for option in options if option not in paths]
    if strange:
        raise CaffeError(*(f"{label} has no option '{o}'; {_near(o, paths)}" for o in strange))
    param = pb.LayerParameter(name=name, type=kind)
    for option, value in options.items():
        path = paths[option]
        message, _, field = path.rpartition(".")
        holder: Any = getattr(param, message, None) if message else param
        try:
            known = None if holder is None else schema(holder.DESCRIPTOR).fields.get(field)
            if known is not None:
                items = _several(value) if known.repeated else value
                holder.MergeFrom(type(holder)(**{field: items}))
            else:
                _add_unknown(param, path, value)
        except (TypeError, ValueError) as error:
            raise CaffeError(f"{label} has {path} {value!r}: {error}") from error
    return param


def _near(option: str, paths: Iterable[str]) -> str:
    near = get_close_matches(option, paths, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"it has: {', '.join(path for path in paths if path not in _FIELDS) or 'none'}"


def _add_unknown(param: pb.LayerParameter, path: str, value: Any) -> None:
    message, _, field = path.partition(".")
    for text in map(_text, _several(value)):
        if message in _FIELDS:
            param.unknown_field.add(path=path, text=text)
            continue
        held = [item for item in param.unknown_field if item.path == message]
        item = held[0] if held else param.unknown_field.add(path=message, text="{ }")
        item.text = f"{item.text[:-1]}{field_text(field, text)} }}"


def _several(value: Any) -> list[Any]:
    alone = isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable)
    return [value] if alone else list(value)


def _text(value: Any) -> str:
    """Return a value as prototxt. A word in capitals is taken for an enum's, without quotes."""
    if isinstance(value, Mapping):
        return " ".join(["{", *(field_text(k, _text(v)) for k, v in value.items()), "}"])
    if isinstance(value, str) and _ENUM_VALUE.fullmatch(value):
        return value
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_text, value))}]"
    return json.dumps(value, ensure_ascii=False)  # bools, numbers, quoted strings
