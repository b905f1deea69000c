"""Messages to canonical prototxt, as C++'s ``DebugString`` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from bigdl_caffe.format.cursor import field_text
from bigdl_caffe.format.schema import UNKNOWN, is_repeated

_ESCAPES = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\"}
_BYTE = [_ESCAPES.get(b, chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in range(256)]


class _Kept(NamedTuple):
    """An unknown field: its path from the message being written, and its value's text."""

    path: str
    text: str


def format_message(message: Message) -> str:
    """Return ``message`` as prototxt: fields by number, two spaces a level.

    Unknown fields that the text reader kept come back where they stood, after the
    known fields of the message that held them. NaN, infinities, and names that are
    not ASCII are written as Caffe's own text is.
    """
    return "".join(f"{line}\n" for line in _lines(message, "", ()))


def _lines(message: Message, indent: str, kept: Sequence[_Kept]) -> Iterator[str]:
    """Yield the lines of ``message``, and of ``kept``, which stood in it or below it."""
    rest = [*kept, *(_Kept(k.path, k.text) for k in getattr(message, UNKNOWN, ()))]
    for field, value in message.ListFields():
        if field.name == UNKNOWN:
            continue
        repeated = is_repeated(field)
        for index, item in enumerate(value if repeated else [value]):
            if field.message_type is None:
                yield f"{indent}{field.name}: {_scalar(field, item)}"
                continue
            below, rest = _split(rest, f"{field.name}[{index}]" if repeated else field.name)
            yield from _block(indent, field.name, _lines(item, indent + "  ", below))
    yield from _kept_lines(rest, indent)


def _kept_lines(kept: Sequence[_Kept], indent: str) -> Iterator[str]:
    """Yield the lines of unknown fields, with the messages that only they keep alive."""
    rest = list(kept)
    while rest:
        step, dot, _ = rest[0].path.partition(".")
        if not dot:
            yield indent + field_text(*rest.pop(0))
            continue
        below, rest = _split(rest, step)
        yield from _block(indent, step.partition("[")[0], _kept_lines(below, indent + "  "))


def _split(kept: Sequence[_Kept], step: str) -> tuple[list[_Kept], list[_Kept]]:
    """Return those of ``kept`` below ``step``, their paths from there, and the others."""
    start = step + "."
    below = [_Kept(k.path[len(start) :], k.text) for k in kept if k.path.startswith(start)]
    return below, [k for k in kept if not k.path.startswith(start)]


def _block(indent: str, name: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"{indent}{name} {{"
    yield from lines
    yield f"{indent}}}"


def _scalar(field: FieldDescriptor, value: Any) -> str:
    """Return a scalar's text."""
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return str(known.name if known else value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _real(value, field.cpp_type == field.CPPTYPE_FLOAT)
    if isinstance(value, (str, bytes)):
        raw = value.encode("utf-8") if isinstance(value, str) else value
        return '"' + "".join(map(_BYTE.__getitem__, raw)) + '"'
    return str(value)


def _real(value: float, single: bool) -> str:
    """Return the digits that SimpleFtoa and SimpleDtoa of protobuf give."""
    short, full = (6, 9) if single else (15, 17)
    text = f"{value:.{short}g}"
    back = float(np.float32(text)) if single else float(text)
    return text if back == value or value != value else f"{value:.{full}g}"
