"""What goes wrong, said so that its reader can mend it.

Every message says what was found, where, and what to do. An error that stands
for several problems lists them all in ``problems``: a net with five bad layers
is reported once, not five times.
"""

from __future__ import annotations

import re

_LAYER = re.compile(r"\blayer '([^']+)'")  # how every message names one


class CaffeError(Exception):
    """Root of every error this package raises for bad input.

    Parameters
    ----------
    *problems : str
        One sentence or more each: what, where, and the remedy.

    Attributes
    ----------
    problems : tuple of str
        All of them, in the order they were found.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems: tuple[str, ...] = problems

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that the problems are about, each once."""
        return tuple(dict.fromkeys(_LAYER.findall("\n".join(self.problems))))

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return self.problems[0]
        lines = "".join(f"\n  - {p}" for p in self.problems)
        return f"{len(self.problems)} problems:{lines}"


class UnsupportedLayerError(CaffeError):
    """Layer types (or options of one) that no registered converter builds."""


class ShapeError(CaffeError):
    """Blob shapes that a layer, a feed or an input declaration cannot have."""


class NetError(CaffeError):
    """A net definition that parses but is not a net: unknown bottoms, tops made twice."""


class WeightMismatchError(CaffeError):
    """Weights missing from a file, or of another shape than the net's."""


class ParseError(CaffeError):
    """Text that no Caffe would accept.

    Attributes
    ----------
    file : str
        Path of the text, or "<string>".
    line, column : int
        1-based place of the offending token.
    """

    def __init__(self, message: str, file: str = "<string>", line: int = 0, column: int = 0):
        self.message, self.file, self.line, self.column = message, file, line, column
        super().__init__(f"{file}:{line}:{column}: {message}")

    def __reduce__(self) -> tuple[type[ParseError], tuple[str, str, int, int]]:
        return type(self), (self.message, self.file, self.line, self.column)


class CaffeFormatError(CaffeError):
    """Bytes that are not the file they claim to be: truncated, damaged, another format.

    Attributes
    ----------
    file : str
        Path of the file.
    offset : int or None
        0-based byte offset at which reading failed, where that is known.
    """

    def __init__(self, message: str, file: str = "<bytes>", offset: int | None = None):
        self.message, self.file, self.offset = message, file, offset
        at = "" if offset is None else f" at byte {offset}"
        super().__init__(f"{file}{at}: {message}")

    def __reduce__(self) -> tuple[type[CaffeFormatError], tuple[str, str, int | None]]:
        return type(self), (self.message, self.file, self.offset)


class ImageError(CaffeError):
    """Bytes that are not a picture we can decode, or a picture we refuse to."""


class TrainingError(CaffeError):
    """Training that cannot go on: a loss that is no number, a process that died, a full disk."""


class RankFailedError(TrainingError):
    """A process of a training that died or lost the others: another try may go well."""
