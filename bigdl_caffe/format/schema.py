"""What reading and writing text must know of the schema's fields."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from bigdl_caffe.format import forks
from bigdl_caffe.format.cursor import Cursor, scalar_reader

UNKNOWN = "unknown_field"
"""Our member that keeps what the schema does not know; no field to people."""

_REQUIRED, _REPEATED = 2, 3  # of FieldDescriptor.label, which protobuf 7 no longer has


class Field(NamedTuple):
    """What the text reader must know of a field.

    ``read`` reads one scalar, and is None for a message. ``fork_words`` and
    ``fork_repeated`` are as in `forks`.
    """

    name: str
    repeated: bool
    read: Callable[[Cursor], Any] | None
    fork_words: frozenset[str]
    fork_repeated: bool


class Schema(NamedTuple):
    """A message type: fields by name, which must be there, whether it keeps unknown ones."""

    fields: dict[str, Field]
    required: tuple[str, ...]
    keeps_unknown: bool


@cache
def schema(descriptor: Descriptor) -> Schema:
    """Return the `Schema` of a message type."""
    return Schema(
        {f.name: _field(f) for f in descriptor.fields if f.name != UNKNOWN},
        tuple(f.name for f in descriptor.fields if _is(f, "is_required", _REQUIRED)),
        UNKNOWN in descriptor.fields_by_name,
    )


def is_repeated(field: FieldDescriptor) -> bool:
    """Return whether ``field`` holds a list, in any release of protobuf."""
    return _is(field, "is_repeated", _REPEATED)


def _is(field: FieldDescriptor, attribute: str, label: int) -> bool:
    if hasattr(field, attribute):
        return bool(getattr(field, attribute))
    return bool(getattr(field, "label") == label)  # noqa: B009  (newer stubs lack the attribute)


def _field(field: FieldDescriptor) -> Field:
    enum = field.enum_type.full_name if field.enum_type else ""
    return Field(
        field.name,
        is_repeated(field),
        None if field.message_type else scalar_reader(field),
        forks.WORDS.get(enum.partition(".")[2], frozenset()),
        field.full_name.partition(".")[2] in forks.REPEATED,
    )
