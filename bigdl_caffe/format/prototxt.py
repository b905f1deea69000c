"""Prototxt text to messages and back, by the rules of the C++ parser that Caffe uses.

Beyond Caffe, fields that the schema does not know are kept instead of refused: each
becomes an ``UnknownField`` of the nearest enclosing net, layer or solver, is written
back by `format_message`, and reaches custom layers through `unknown_fields`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import Message

from bigdl_caffe.errors import ParseError
from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.cursor import Cursor, read_value
from bigdl_caffe.format.lexer import tokenize
from bigdl_caffe.format.schema import Field, schema
from bigdl_caffe.format.sniff import foreign_kind
from bigdl_caffe.format.textwriter import format_message
from bigdl_caffe.format.unknown import unknown_fields, unknown_report

__all__ = [
    "format_message",
    "parse",
    "read_net",
    "read_solver",
    "read_value",
    "unknown_fields",
    "unknown_report",
]

M = TypeVar("M", bound=Message)


def parse(text: str | bytes, message_type: type[M], file: str = "<string>") -> M:
    """Read prototxt ``text`` as a message.

    Parameters
    ----------
    text : str or bytes
        Strings in it are UTF-8, or Latin-1 where they are not valid UTF-8.
    message_type : type
        ``pb.NetParameter``, ``pb.SolverParameter``, ...
    file : str
        Path to name in errors.

    Returns
    -------
    Message
        A ``message_type``. Empty text gives an empty message, as in Caffe.

    Raises
    ------
    ParseError
        With the file, line and column, for text that Caffe's parser refuses (unknown
        fields apart), and for another kind of file.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    kind = foreign_kind(raw)
    if kind is not None:
        raise ParseError(f"a prototxt is wanted, but this is {kind}", file, 1, 1)
    message = message_type()
    reader = _Reader(tokenize(raw.decode("latin-1"), file))
    reader.message(message, 0, "", _owner(message, None))
    _refuse_other_kind(message, file)
    return message


def read_net(path: paths.PathLike) -> pb.NetParameter:
    """Read the net definition at ``path`` (a path or URI). Raises as `parse`."""
    return parse(paths.read_bytes(path), pb.NetParameter, str(path))


def read_solver(path: paths.PathLike) -> pb.SolverParameter:
    """Read the solver definition at ``path`` (a path or URI). Raises as `parse`."""
    return parse(paths.read_bytes(path), pb.SolverParameter, str(path))


class _Owner(NamedTuple):
    """The message that keeps unknown fields, and the path from it to where we are."""

    message: Any
    path: str


class _Reader(Cursor):
    """Recursive descent, guided by the messages' descriptors."""

    def message(self, message: Message, depth: int, closing: str, owner: _Owner | None) -> None:
        """Read fields into ``message`` up to and past ``closing`` ("" is the text's end)."""
        fields, required, _ = schema(message.DESCRIPTOR)
        while self.texts[self.pos] != closing:
            at = self.pos
            field = fields.get(self.name(closing))
            if field is None or self.is_forks(message, field):
                self.unknown(message, depth, owner)
            elif not field.repeated and message.HasField(field.name):
                raise self.tokens.error(at, f"'{field.name}' is given twice: keep one of them")
            elif field.read is None:
                self.submessages(message, field, depth, owner)
            else:
                self.scalars(message, field, field.read)
            self.separator()
        missing = [name for name in required if not message.HasField(name)]
        if missing:
            text = f"{message.DESCRIPTOR.name} must have {' and '.join(missing)}"
            raise self.tokens.error(self.pos, text)
        self.pos += 1

    def is_forks(self, message: Message, field: Field) -> bool:
        """Return whether the value ahead is one that only a fork's schema can hold."""
        if field.fork_repeated:
            return message.HasField(field.name)
        if not field.fork_words or self.texts[self.pos] != ":":
            return False
        return self.texts[self.pos + 1] in field.fork_words

    def scalars(self, message: Message, field: Field, read: Callable[[Cursor], Any]) -> None:
        """Read the value or the list of values of a field that is not a message."""
        self.need(":")
        if field.repeated:
            getattr(message, field.name).extend([read(self) for _ in self.items(repeated=True)])
        else:
            setattr(message, field.name, read(self))

    def submessages(self, message: Message, field: Field, depth: int, owner: _Owner | None) -> None:
        """Read the message or the list of messages of a field."""
        self.skip(":")
        for _ in self.items(field.repeated):
            closing = self.open(depth)
            child, step = _add(message, field)
            outer = owner and _Owner(owner.message, f"{owner.path}{step}.")
            self.message(child, depth + 1, closing, _owner(child, outer))

    def unknown(self, message: Message, depth: int, owner: _Owner | None) -> None:
        """Keep the field whose name, just read, the schema does not know."""
        at = self.pos - 1
        name = self.texts[at]
        if owner is None:
            raise self.tokens.error(at, f"{message.DESCRIPTOR.name} has no field '{name}'")
        text, _ = self.any_after_name(depth)
        line, column = self.tokens.place(at)
        kept = owner.message.unknown_field
        kept.add(path=owner.path + name, text=text, line=line, column=column)


def _owner(message: Message, outer: _Owner | None) -> _Owner | None:
    """Return what keeps the unknown fields of ``message``: itself, or what is around it."""
    return _Owner(message, "") if schema(message.DESCRIPTOR).keeps_unknown else outer


def _add(message: Message, field: Field) -> tuple[Message, str]:
    """Return a new submessage and its step in the path of what it holds."""
    place = getattr(message, field.name)
    if field.repeated:
        return place.add(), f"{field.name}[{len(place) - 1}]"
    place.SetInParent()
    return place, field.name


_KINDS: dict[type[Message], tuple[str, frozenset[str]]] = {
    pb.NetParameter: ("a net", frozenset({"layer", "layers", "input"})),
    pb.SolverParameter: ("a solver", frozenset(pb.SolverParameter.DESCRIPTOR.fields_by_name)),
}
"""The kinds of file people mistake for each other, and the fields that tell them."""


def _refuse_other_kind(message: Any, file: str) -> None:
    """Raise where leniency would turn another kind of file into an empty net or solver."""
    kind = type(message)
    if kind not in _KINDS or not message.unknown_field:
        return
    wanted, own = _KINDS[kind]
    if kind is pb.NetParameter and any(getattr(message, name) for name in own):
        return
    for item in message.unknown_field:
        for looks, fields in (_KINDS[other] for other in _KINDS if other is not kind):
            if item.path in fields:
                text = f"this file is read as {wanted}, but '{item.path}' belongs to {looks}"
                raise ParseError(text, file, item.line, item.column)
    if kind is pb.NetParameter or len(message.ListFields()) == 1:
        first = message.unknown_field[0]
        text = f"this is not {wanted}: nothing of one is in it, and '{first.path}' is no field"
        raise ParseError(text, file, first.line, first.column)
