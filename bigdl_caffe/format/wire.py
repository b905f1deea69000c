"""Where the numbers of each blob lie in a caffemodel, found without reading them.

A caffemodel is a NetParameter in protobuf's binary format: layers (V2 in field 100,
V1 in field 2, each V1 perhaps with a V0 layer inside), each with BlobProtos. Python's
protobuf would copy every number twice on the way; the walk here touches headers only.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.bytesource import BufferBytes, ByteSource
from bigdl_caffe.format.lexer import decode_name
from bigdl_caffe.format.sniff import foreign_magic, looks_like_text
from bigdl_caffe.format.walk import LENGTH, VARINT, Field, Wire
from bigdl_caffe.format.wireblob import BlobParts, WireBlob

MAX_PIECES = 1 << 16
"""Layers, blobs and runs in one file: real nets have hundreds; more would only fill memory."""


@dataclass(frozen=True)
class LayerIndex:
    """The blobs of one layer; see `source.LayerBlobs`. ``offset`` is the layer's in the file."""

    name: str
    type: str
    offset: int
    blobs: tuple[WireBlob, ...]

    @property
    def indices(self) -> range:
        """The blobs' indices in the layer: a caffemodel has all of them."""
        return range(len(self.blobs))


@dataclass(frozen=True)
class CaffemodelIndex:
    """All layers of a caffemodel, in the file's order, and the net's name."""

    name: str
    layers: tuple[LayerIndex, ...]


def index_caffemodel(
    data: bytes | memoryview, file: str = "<bytes>", source: ByteSource | None = None
) -> CaffemodelIndex:
    """Find the blobs of a caffemodel.

    Parameters
    ----------
    data : bytes-like
        The whole file, mapped or in memory.
    file : str
        Path to name in errors.
    source : ByteSource, optional
        What the blobs shall read their numbers from; default ``data``.

    Raises
    ------
    CaffeFormatError
        With the byte offset, for bytes that are truncated, damaged or of another
        format, and for a blob whose numbers do not fill its shape.
    """
    view = memoryview(data)
    head = bytes(view[:256])
    kind = foreign_magic(head)
    if kind is not None:
        raise CaffeFormatError(f"a caffemodel is wanted, but this is {kind}", file, 0)
    try:
        index = Indexer(Wire(view, file), source or BufferBytes(view)).net()
    except CaffeFormatError as error:
        raise (_text_error(file) if looks_like_text(head) else error) from None
    if not index.layers and looks_like_text(head):
        raise _text_error(file)
    return index


def _text_error(file: str) -> CaffeFormatError:
    return CaffeFormatError(
        "a caffemodel is wanted, but this is text, perhaps the prototxt", file, 0
    )


def index_blob(data: bytes | memoryview, file: str = "<bytes>") -> WireBlob:
    """Find the numbers of a file that is one BlobProto, as mean.binaryproto is."""
    view = memoryview(data)
    kind = foreign_magic(bytes(view[:256]))
    if kind is not None:
        raise CaffeFormatError(f"a binaryproto is wanted, but this is {kind}", file, 0)
    return Indexer(Wire(view, file), BufferBytes(view)).blob(0, len(view), "the blob")


class _Layout(NamedTuple):
    """Field numbers of a generation of layers."""

    name: int
    type: int
    blobs: int
    type_wire: int = LENGTH
    inner: int = 0
    """Of a layer of the generation before, in the same layer."""


_V0 = _Layout(name=1, type=2, blobs=50)
_V1 = _Layout(name=4, type=5, blobs=6, type_wire=VARINT, inner=1)
_V2 = _Layout(name=1, type=2, blobs=7)
_NET_NAME, _NET_LAYERS = 1, {2: _V1, 100: _V2}


class Indexer:
    """Walks one file, a caffemodel or another with blobs in it; counts the pieces it keeps."""

    def __init__(self, wire: Wire, source: ByteSource) -> None:
        self.wire, self.source = wire, source
        self.pieces = 0

    def net(self) -> CaffemodelIndex:
        """Return what the file is as a caffemodel."""
        name, layers = "", []
        for f in self.wire.fields(0, len(self.wire.data)):
            if f.number == _NET_NAME:
                name = decode_name(self.wire.text(self.need(f, LENGTH, "the net's name")))
            elif f.number in _NET_LAYERS:
                self.need(f, LENGTH, "a layer")
                layers.append(self.layer(f, _NET_LAYERS[f.number]))
        return CaffemodelIndex(name, tuple(layers))

    def need(self, f: Field, wire: int, what: str) -> Field:
        """Return ``f``, which must have wire type ``wire``."""
        if f.wire != wire:
            raise self.wire.error(
                f"{what} is expected here, but the field has wire type {f.wire}: the file is "
                "damaged, or is another kind: a solverstate, a mean, another framework's model",
                f.at,
            )
        return f

    def piece(self, at: int) -> None:
        """Count one more layer, blob or run."""
        self.pieces += 1
        if self.pieces > MAX_PIECES:
            raise self.wire.error(
                f"over {MAX_PIECES} layers, blobs and pieces of blobs: no net is like that, the "
                "file is damaged",
                at,
            )

    def layer(self, outer: Field, layout: _Layout) -> LayerIndex:
        """Return the layer that the field ``outer`` holds."""
        self.piece(outer.at)
        name = kind = ""
        spans: list[Field] = []
        inner: list[LayerIndex] = []
        for f in self.wire.fields(outer.start, outer.end):
            if f.number == layout.name:
                name = decode_name(self.wire.text(self.need(f, LENGTH, "a layer's name")))
            elif f.number == layout.type:
                self.need(f, layout.type_wire, "a layer's type")
                kind = _v1_type(f.value) if f.wire == VARINT else decode_name(self.wire.text(f))
            elif f.number == layout.blobs:
                self.piece(f.at)
                spans.append(self.need(f, LENGTH, "a blob"))
            elif f.number == layout.inner:
                inner.append(self.layer(self.need(f, LENGTH, "a layer"), _V0))
        name = name or next((i.name for i in inner), "")
        kind = kind or next((i.type for i in inner), "")
        blobs = [
            self.blob(f.start, f.end, f"layer '{name}', blob {i}") for i, f in enumerate(spans)
        ]
        return LayerIndex(
            name, kind, outer.at, (*blobs, *(blob for i in inner for blob in i.blobs))
        )

    def blob(self, start: int, end: int, what: str) -> WireBlob:
        """Return the BlobProto from ``start`` to ``end``, called ``what`` in errors."""
        parts = BlobParts(self.wire, what)
        for f in self.wire.fields(start, end):
            if parts.take(f):
                self.piece(f.at)
        dtype, runs = parts.numbers()
        count = sum(run.length for run in runs)
        shape = parts.shape()
        if shape is not None and prod(shape) != count:
            raise self.wire.error(
                f"{what}: its shape {shape} asks for {prod(shape)} numbers, {count} are there",
                start,
            )
        return WireBlob(shape, len(parts.legacy) == 4, count, dtype, tuple(runs), self.source)


def _v1_type(value: int) -> str:
    known = pb.V1LayerParameter.DESCRIPTOR.enum_types_by_name["LayerType"].values_by_number
    return str(known[value].name) if value in known else str(value)
