"""Tokens of the protobuf text format, as the C++ tokenizer that Caffe uses cuts them.

Text is handled as Latin-1, one character a byte, so that no byte sequence is
refused before its place is known; string literals are decoded one by one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from bigdl_caffe.errors import ParseError

_SPACE = r"(?:[ \t\n\r\v\f]+|#[^\n]*)*"
_TOKEN = re.compile(
    _SPACE
    + r"(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    + r"|(?P<symbol>[{}:\[\]<>,;-])"
    + r"|(?P<string>\"[^\"\\\n]*(?:\\[^\n][^\"\\\n]*)*\"|'[^'\\\n]*(?:\\[^\n][^'\\\n]*)*')"
    + r"|(?P<number>0[xX][0-9a-fA-F]*|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]*)?[fF]?)"
    + r"|(?P<open_string>[\"'][^\n]*)"
    + r"|(?P<end>\Z)"
    + r"|(?P<stray>[\s\S]))"
)
_INTEGER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")
_FLOAT = re.compile(r"(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?")
_ESCAPE = re.compile(
    r"(?P<unicode>(?:\\u[0-9a-fA-F]{4})+)|\\(?:(?P<octal>[0-7]{1,3})|[xX](?P<hex>[0-9a-fA-F]{1,2})"
    r"|U(?P<long>00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})|(?P<simple>[abfnrtv\\?'\"])|(?P<bad>[\s\S]))"
)
_SIMPLE = dict(zip("abfnrtv\\?'\"", "\a\b\f\n\r\t\v\\?'\"", strict=True))


def decode_name(raw: bytes) -> str:
    """Return ``raw`` as text: UTF-8 where it is that, else Latin-1.

    Caffe compares names as bytes. Text and binary files both decode through here,
    so a layer's name matches between them whatever its encoding.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@dataclass(frozen=True)
class Tokens:
    """The tokens of one text, in parallel lists that end with an "end" token.

    Attributes
    ----------
    source : str
        The text, one character a byte.
    file : str
        Its path, for messages.
    kinds : list of str
        "word", "symbol", "string", "number", "end"; "open_string" and "stray" are
        accepted by no rule of the grammar.
    texts : list of str
        What stands in the source.
    """

    source: str
    file: str
    kinds: list[str]
    texts: list[str]

    @cached_property
    def starts(self) -> list[int]:
        """Offsets of the tokens in ``source``, found when asked for: few texts need them."""
        return [match.start(match.lastindex or 0) for match in _TOKEN.finditer(self.source)]

    @cached_property
    def line_starts(self) -> list[int]:
        """Offsets at which the lines of ``source`` begin."""
        return [0, *(match.end() for match in re.finditer("\n", self.source))]

    def place(self, index: int) -> tuple[int, int]:
        """Return the 1-based line and column of token ``index``."""
        start = self.starts[index]
        line = bisect_right(self.line_starts, start)
        before = self.source[self.line_starts[line - 1] : start]
        return line, len(decode_name(before.encode("latin-1"))) + 1

    def error(self, index: int, message: str) -> ParseError:
        """Return the error that says ``message`` at token ``index``."""
        return ParseError(message, self.file, *self.place(index))

    def expected(self, index: int, what: str) -> ParseError:
        """Return the error for a token ``index`` that is not ``what``."""
        kind, text = self.kinds[index], self.texts[index]
        if kind == "open_string":
            return self.error(index, f"the string {_shown(text)} is not closed on its line")
        if kind == "end":
            return self.error(index, f"expected {what}, but the text ends here")
        return self.error(index, f"expected {what}, got: {_shown(text)}")

    def string(self, index: int) -> bytes:
        """Return the value of the string token ``index``, its escapes resolved."""
        body = self.texts[index][1:-1]
        if "\\" in body:
            bad = next((m for m in _ESCAPE.finditer(body) if m["bad"]), None)
            if bad is not None:
                raise self.error(index, f"invalid escape sequence {_shown(bad[0])} in a string")
            body = _ESCAPE.sub(_unescape, body)
        return body.encode("latin-1")

    def is_integer(self, index: int) -> bool:
        """Return whether token ``index`` is an integer: decimal, octal or hexadecimal."""
        return self.kinds[index] == "number" and bool(_INTEGER.fullmatch(self.texts[index]))

    def integer(self, index: int) -> int:
        """Return the value of the number token ``index``, which must be an integer."""
        if not self.is_integer(index):
            raise self.expected(index, "integer")
        text = self.texts[index]
        if len(text) > 30:  # far beyond 64 bits, and int() refuses thousands of digits
            raise self.error(index, f"integer out of range ({_shown(text)})")
        octal = text[0] == "0" and text.isdigit()
        return int(text, 8 if octal else 0)

    def real(self, index: int) -> float:
        """Return the value of the number or word token ``index`` as a float."""
        kind, text = self.kinds[index], self.texts[index]
        if kind == "number" and _FLOAT.fullmatch(text):
            return float(text.rstrip("fF"))
        if kind == "word" and text.lower() in ("inf", "infinity", "nan"):
            return float(text)
        raise self.expected(index, "decimal number")


def tokenize(source: str, file: str) -> Tokens:
    """Cut ``source`` (one character a byte) into tokens. Never fails."""
    kinds: list[str] = []
    texts: list[str] = []
    for match in _TOKEN.finditer(source):
        kind = match.lastgroup or "end"
        kinds.append(kind)
        texts.append(match[kind])
    return Tokens(source, file, kinds, texts)


def _shown(text: str) -> str:
    """Return ``text`` fit for a message: decoded, and not longer than a line."""
    shown = decode_name(text.encode("latin-1"))
    return repr(shown if len(shown) <= 60 else shown[:60] + "...")


def _unescape(match: re.Match[str]) -> str:
    """Return the bytes an escape stands for, one character a byte."""
    if match["unicode"]:
        pairs = bytes.fromhex(match["unicode"].replace("\\u", ""))
        text = pairs.decode("utf-16-be", "surrogatepass")
        return text.encode("utf-8", "surrogatepass").decode("latin-1")
    if match["long"]:
        return chr(int(match["long"], 16)).encode("utf-8", "surrogatepass").decode("latin-1")
    if match["simple"]:
        return _SIMPLE[match["simple"]]
    code = int(match["octal"], 8) if match["octal"] else int(match["hex"], 16)
    return chr(code & 0xFF)
