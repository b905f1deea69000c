"""A place in the tokens of a prototxt, and the reading of values there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from bigdl_caffe.format.lexer import Tokens, decode_name, tokenize

MAX_DEPTH = 100
"""Messages inside messages: as deep as protobuf reads them in binary."""

_CLOSING = {"{": "}", "<": ">"}
_TRUE, _FALSE = ("true", "True", "t"), ("false", "False", "f")
_BOOLS = {"true": True, "True": True, "false": False, "False": False}
"""Words that are bools even where no schema says so; t and f may well be an enum's."""


class Cursor:
    """Reads one value after another, as TextFormat::Parser of protobuf does.

    Parameters
    ----------
    tokens : Tokens
        What to read.
    """

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.kinds, self.texts = tokens.kinds, tokens.texts
        self.pos = 0

    def skip(self, symbol: str) -> bool:
        """Read ``symbol`` if it is next, and return whether it was."""
        found = self.texts[self.pos] == symbol
        self.pos += found
        return found

    def need(self, symbol: str) -> None:
        """Read ``symbol``, which must be next."""
        if not self.skip(symbol):
            raise self.tokens.expected(self.pos, f"'{symbol}'")

    def name(self, closing: str) -> str:
        """Read a field's name, in a message that ``closing`` ends."""
        if self.kinds[self.pos] != "word":
            end = f" or '{closing}'" if closing else ""
            raise self.tokens.expected(self.pos, f"a field's name{end}")
        self.pos += 1
        return self.texts[self.pos - 1]

    def separator(self) -> None:
        """Read the comma or semicolon that may follow a field."""
        if self.texts[self.pos] in (",", ";"):
            self.pos += 1

    def open(self, depth: int) -> str:
        """Read ``{`` or ``<`` and return what closes it."""
        closing = _CLOSING.get(self.texts[self.pos])
        if closing is None:
            raise self.tokens.expected(self.pos, "'{'")
        if depth >= MAX_DEPTH:
            raise self.tokens.error(self.pos, f"messages are nested over {MAX_DEPTH} levels deep")
        self.pos += 1
        return closing

    def items(self, repeated: bool) -> Iterator[None]:
        """Yield once before each value: of a list, which a repeated field may have, or one."""
        if not repeated or not self.skip("["):
            yield
            return
        if self.skip("]"):
            return
        yield
        while not self.skip("]"):
            self.need(",")
            yield

    def string(self) -> str:
        """Read a string."""
        return decode_name(self.bytes())

    def bytes(self) -> bytes:
        """Read one string literal or several side by side."""
        if self.kinds[self.pos] != "string":
            raise self.tokens.expected(self.pos, "string")
        value = b""
        while self.kinds[self.pos] == "string":
            value += self.tokens.string(self.pos)
            self.pos += 1
        return value

    def integer(self, low: int, high: int) -> int:
        """Read an integer from ``low`` to ``high``."""
        sign = -1 if low < 0 and self.skip("-") else 1
        value = sign * self.tokens.integer(self.pos)
        if not low <= value <= high:
            raise self.tokens.error(self.pos, f"integer out of range ({value})")
        self.pos += 1
        return value

    def real(self) -> float:
        """Read a decimal number, inf or nan."""
        sign = -1.0 if self.skip("-") else 1.0
        value = sign * self.tokens.real(self.pos)
        self.pos += 1
        return value

    def boolean(self) -> bool:
        """Read true, True, t, 1 or one of their opposites."""
        if self.kinds[self.pos] == "number":
            return bool(self.integer(0, 1))
        text = self.texts[self.pos]
        if text not in _TRUE and text not in _FALSE:
            raise self.tokens.expected(self.pos, "true or false")
        self.pos += 1
        return text in _TRUE

    def enum(self, descriptor: EnumDescriptor, field: str) -> int:
        """Read the name or the number of a value of an enum field."""
        at = self.pos
        if self.kinds[at] == "word":
            self.pos += 1
            value = descriptor.values_by_name.get(self.texts[at])
        elif self.kinds[at] == "number" or self.texts[at] == "-":
            value = descriptor.values_by_number.get(self.integer(-(2**31), 2**31 - 1))
        else:
            raise self.tokens.expected(at, f"a value of {field}, unquoted")
        if value is None:
            known = ", ".join(descriptor.values_by_name)
            raise self.tokens.error(at, f"'{self.texts[at]}' is no value of {field}: {known}")
        return int(value.number)

    def any_after_name(self, depth: int) -> tuple[str, Any]:
        """Read the rest of a field without a schema: a colon, unless a message, and `any`."""
        if not self.skip(":") and self.texts[self.pos] not in _CLOSING:
            raise self.tokens.expected(self.pos, "':'")
        return self.any(depth)

    def any(self, depth: int) -> tuple[str, Any]:
        """Read a value without a schema; return its canonical text and its Python value."""
        start, text = self.pos, self.texts[self.pos]
        if text in _CLOSING:
            return self._any_message(depth)
        if text == "[":
            return self._any_list(depth)
        if self.kinds[start] == "string":
            value = self.string()
            return decode_name(" ".join(self.texts[start : self.pos]).encode("latin-1")), value
        return self._any_scalar()

    def _any_scalar(self) -> tuple[str, Any]:
        negative = self.skip("-")
        at, text = self.pos, self.texts[self.pos]
        self.pos += 1
        if self.kinds[at] == "word" and not negative:
            return text, _BOOLS.get(text, text)
        number = self.tokens.integer if self.tokens.is_integer(at) else self.tokens.real
        return ("-" + text, -number(at)) if negative else (text, number(at))

    def _any_list(self, depth: int) -> tuple[str, list[Any]]:
        if depth >= MAX_DEPTH:
            raise self.tokens.error(self.pos, f"lists are nested over {MAX_DEPTH} levels deep")
        items = [self.any(depth + 1) for _ in self.items(repeated=True)]
        return f"[{', '.join(text for text, _ in items)}]", [value for _, value in items]

    def _any_message(self, depth: int) -> tuple[str, dict[str, Any]]:
        closing = self.open(depth)
        parts: list[str] = []
        values: dict[str, Any] = {}
        while not self.skip(closing):
            name = self.name(closing)
            text, value = self.any_after_name(depth + 1)
            parts.append(field_text(name, text))
            add_value(values, name, value)
            self.separator()
        return " ".join(["{", *parts, "}"]), values


def read_value(text: str) -> Any:
    """Return what the ``text`` of an unknown field's value stands for.

    ``7`` → int, ``0.5`` → float, ``"x"`` and words → str, ``true``, ``True`` → bool,
    ``[1, 2]`` → list, ``{ a: 1 }`` → dict.
    """
    return Cursor(tokenize(text.encode("utf-8").decode("latin-1"), "<value>")).any(0)[1]


def add_value(place: dict[str, Any], name: str, value: Any) -> None:
    """Set ``place[name]`` to ``value``, or make it a list where there is one already."""
    more = value if isinstance(value, list) else [value]
    if name not in place:
        place[name] = value
    elif isinstance(place[name], list):
        place[name].extend(more)
    else:
        place[name] = [place[name], *more]


def field_text(name: str, value: str) -> str:
    """Return a field of an unknown type as text, from its name and its value's text."""
    return f"{name} {value}" if value.startswith("{") else f"{name}: {value}"


def _integers(low: int, high: int) -> Callable[[Cursor], Any]:
    return lambda cursor: cursor.integer(low, high)


_SCALARS: dict[int, Callable[[Cursor], Any]] = {
    FieldDescriptor.CPPTYPE_INT32: _integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: _integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: _integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: _integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_FLOAT: Cursor.real,
    FieldDescriptor.CPPTYPE_DOUBLE: Cursor.real,
    FieldDescriptor.CPPTYPE_BOOL: Cursor.boolean,
    FieldDescriptor.CPPTYPE_STRING: Cursor.string,
}


def scalar_reader(field: FieldDescriptor) -> Callable[[Cursor], Any]:
    """Return the function that reads one value of a field that is not a message."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return Cursor.bytes
    if field.enum_type is not None:
        enum_type, name = field.enum_type, field.name
        return lambda cursor: cursor.enum(enum_type, name)
    return _SCALARS[field.cpp_type]
