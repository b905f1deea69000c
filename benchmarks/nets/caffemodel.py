"""A caffemodel of random weights, streamed: memory stays near 4 MB whatever its size.

It is written field by field here and not by the package, so that the package's reader is
measured against another's writer.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from benchmarks.nets.draft import Draft, Fill, Layer

CHUNK = 1 << 20  # floats made and written at a time
NAME, TYPE, BLOBS = 1, 2, 7  # fields of LayerParameter
NET_NAME, LAYER = 1, 100  # fields of NetParameter
DATA, SHAPE = 5, 7  # fields of BlobProto


def write_caffemodel(path: Path, draft: Draft, seed: int) -> None:
    """Write the weights of ``draft`` at ``path``, drawn from ``seed``."""
    random = np.random.default_rng(seed)
    with path.open("wb") as out:
        out.write(packed(NET_NAME, draft.name.encode()))
        for layer in draft.layers:
            if layer.blobs:
                write_layer(out, layer, random)


def write_layer(out: BinaryIO, layer: Layer, random: np.random.Generator) -> None:
    """Write one LayerParameter: name, type and blobs."""
    head = packed(NAME, layer.name.encode()) + packed(TYPE, layer.type.encode())
    heads = [blob_head(fill) for fill in layer.blobs]
    sizes = [len(h) + 4 * fill.size for h, fill in zip(heads, layer.blobs, strict=True)]
    size = len(head) + sum(len(delimited(BLOBS, n)) + n for n in sizes)
    out.write(delimited(LAYER, size) + head)
    for blob, blob_size, fill in zip(heads, sizes, layer.blobs, strict=True):
        out.write(delimited(BLOBS, blob_size) + blob)
        for piece in numbers(fill, random):
            out.write(piece.tobytes())


def numbers(fill: Fill, random: np.random.Generator) -> Iterable[np.ndarray]:
    """Yield a blob's numbers in pieces of at most ``CHUNK``."""
    for start in range(0, fill.size, CHUNK):
        piece = random.standard_normal(min(CHUNK, fill.size - start), dtype=np.float32)
        piece = piece * np.float32(fill.std) + np.float32(fill.mean)
        piece[-start % fill.every :: fill.every] += np.float32(fill.lift)
        yield piece


def blob_head(fill: Fill) -> bytes:
    """Return a BlobProto up to where its floats begin."""
    dims = packed(1, b"".join(map(varint, fill.shape)))
    return packed(SHAPE, dims) + delimited(DATA, 4 * fill.size)


def packed(field: int, payload: bytes) -> bytes:
    """Return a whole length-delimited field."""
    return delimited(field, len(payload)) + payload


def delimited(field: int, size: int) -> bytes:
    """Return the head of a length-delimited field whose payload has ``size`` bytes."""
    return varint(field << 3 | 2) + varint(size)


def varint(value: int) -> bytes:
    """Return ``value`` in protobuf's variable-length form."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
