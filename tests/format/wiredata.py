"""Bytes of the wire format made by hand, as no protobuf library writes them."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def length(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def packed(field: int, values: Sequence[float], code: str) -> bytes:
    return length(field, struct.pack(f"<{len(values)}{code}", *values))


def unpacked(field: int, values: Sequence[float], code: str) -> bytes:
    wire = 5 if code == "f" else 1
    return b"".join(varint(field << 3 | wire) + struct.pack(f"<{code}", v) for v in values)


def v2_layer(name: str, *blobs: bytes) -> bytes:
    body = length(1, name.encode()) + length(2, b"T") + b"".join(length(7, b) for b in blobs)
    return length(100, body)
