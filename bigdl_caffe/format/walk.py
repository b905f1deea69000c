"""The protobuf wire format, field by field, with no copy and no schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bigdl_caffe.errors import CaffeFormatError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

_WIDTH = {FIXED64: 8, FIXED32: 4}
_WIRE_NAMES = {3: "a group's start", 4: "a group's end", 6: "unassigned", 7: "unassigned"}
DAMAGED = "the file is damaged or cut short: fetch or save it again"


class Field(NamedTuple):
    """One field, or a run of equally tagged fixed-width fields.

    Attributes
    ----------
    number, wire : int
        Field number and wire type.
    at : int
        Offset of the tag.
    start, end : int
        Where the payload begins (of a run: the first) and where the field ends.
    value : int
        Of a VARINT: its value, unsigned 64-bit.
    repeats : int
        Of a run: how many fields; each is a one-byte tag and its payload.
    """

    number: int
    wire: int
    at: int
    start: int
    end: int
    value: int = 0
    repeats: int = 1


@dataclass(frozen=True)
class Wire:
    """A buffer of wire format.

    Parameters
    ----------
    data : memoryview
        Of bytes.
    file : str
        Path to name in errors.
    """

    data: memoryview
    file: str

    def error(self, message: str, at: int) -> CaffeFormatError:
        """Return the error that says ``message`` at offset ``at``."""
        return CaffeFormatError(message, self.file, at)

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yield the fields of the message that lies from ``start`` to ``end``.

        Raises
        ------
        CaffeFormatError
            With the offset, for bytes that are no wire format, and for lengths that
            reach beyond ``end``.
        """
        at = start
        while at < end:
            field = self._field(at, end)
            yield field
            at = field.end

    def text(self, field: Field) -> bytes:
        """Return the payload of a LENGTH field."""
        return bytes(self.data[field.start : field.end])

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """Return the varint at ``at`` and the offset behind it."""
        value = 0
        for shift, pos in zip(range(0, 70, 7), range(at, end), strict=False):
            byte = self.data[pos]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, pos + 1
        raise self.error(f"a number ends nowhere; {DAMAGED}", at)

    def _field(self, at: int, end: int) -> Field:
        tag, start = self.varint(at, end)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise self.error(f"there is no field number {number}; {DAMAGED}", at)
        if wire == VARINT:
            value, stop = self.varint(start, end)
            return Field(number, wire, at, start, stop, value)
        if wire == LENGTH:
            size, start = self.varint(start, end)
            self._must_end(start + size, end, at)
            return Field(number, wire, at, start, start + size)
        if wire not in _WIDTH:
            raise self.error(f"wire type {wire} ({_WIRE_NAMES[wire]}) is not used; {DAMAGED}", at)
        width = _WIDTH[wire]
        self._must_end(start + width, end, at)
        count = self._run_length(at, end, 1 + width) if start == at + 1 else 1
        return Field(number, wire, at, start, start + width + (count - 1) * (1 + width), 0, count)

    def _must_end(self, stop: int, end: int, at: int) -> None:
        if stop > end:
            raise self.error(
                f"a field of {stop - at} bytes stands where only {end - at} are left; {DAMAGED}",
                at,
            )

    def _run_length(self, at: int, end: int, stride: int) -> int:
        """Return how many whole fields from ``at`` on have the tag of the first."""
        count, most, step = 1, (end - at) // stride, 16
        tag = self.data[at]
        while count < most:
            n = min(most - count, step)
            begin = at + count * stride
            size = (n - 1) * stride + 1
            tags = np.frombuffer(self.data[begin : begin + size], np.uint8)[::stride]
            other = np.flatnonzero(tags != tag)
            if len(other):
                return count + int(other[0])
            count, step = count + n, min(step * 8, 1 << 20)
        return count
