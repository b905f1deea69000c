"""Binary weight files, read through a map."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError, Message

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.bytesource import FileBytes
from bigdl_caffe.format.lexer import decode_name
from bigdl_caffe.format.walk import LENGTH, Field, Wire
from bigdl_caffe.format.wire import CaffemodelIndex, LayerIndex, index_caffemodel


class Caffemodel:
    """An open caffemodel; see `source.WeightSource`.

    Parameters
    ----------
    path : path or URI
        A remote file is copied to a temporary one, which `close` removes.

    Attributes
    ----------
    file : str
        ``path``.
    index : CaffemodelIndex
        Its layers and blobs.
    """

    def __init__(self, path: paths.PathLike) -> None:
        self.file = str(path)
        with ExitStack() as stack:
            local = stack.enter_context(paths.local_copy(path))
            opened = stack.enter_context(local.open("rb"))
            source = FileBytes(opened.fileno(), self.file)
            self.index: CaffemodelIndex = index_caffemodel(
                map_file(opened, self.file), self.file, source
            )
            if not self.index.layers:
                raise CaffeFormatError("there are no layers in it: is it a caffemodel?", self.file)
            self._open = stack.pop_all()

    @property
    def layers(self) -> tuple[LayerIndex, ...]:
        """The layers in the file's order."""
        return self.index.layers

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def __enter__(self) -> Caffemodel:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def read_structure(path: paths.PathLike) -> pb.NetParameter:
    """Return the net inside the caffemodel at ``path`` without its blobs, for inspection.

    Forks use some numbers of layer fields for other messages than the schema; such a
    field, where its bytes are not of the schema's message, is left out.

    Raises
    ------
    CaffeFormatError
        As `Caffemodel` does.
    """
    with paths.local_copy(path) as local, local.open("rb") as opened:
        data = map_file(opened, str(path))
        return structure(data, str(path), lambda field: None)


StandIn = Callable[[Field], pb.BlobProto | None]
"""What takes the place of the blob that a field holds; None for nothing."""


def structure(data: bytes | memoryview, file: str, stand_in: StandIn) -> pb.NetParameter:
    """Return the net inside the caffemodel ``data`` with a ``stand_in`` for each of its blobs.

    Raises as `read_structure`.
    """
    index_caffemodel(data, file)
    wire = Wire(memoryview(data), file)
    try:
        return pb.NetParameter.FromString(
            b"".join(_light(wire, 0, len(data), pb.NetParameter, stand_in))
        )
    except DecodeError as error:
        raise CaffeFormatError(f"the net's definition is damaged: {error}", file) from None


def tag(number: int) -> bytes:
    """Return the tag of field ``number``, which has a length."""
    return varint(number << 3 | LENGTH)


def varint(value: int) -> bytes:
    """Return ``value`` as protobuf writes whole numbers."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def map_file(opened: BinaryIO, file: str) -> Any:
    """Return the map of a file; raise for an empty one, which cannot be mapped and holds no net."""
    try:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise CaffeFormatError("the file is empty: fetch or save it again", file, 0) from None


_LAYERS: dict[Any, type[Message]] = {
    kind.DESCRIPTOR: kind for kind in (pb.LayerParameter, pb.V1LayerParameter, pb.V0LayerParameter)
}


def _light(
    wire: Wire, start: int, end: int, kind: type[Message], stand_in: StandIn
) -> Iterator[bytes]:
    """Yield the fields of a ``kind``: blobs stood in for, text as `decode_name` has it."""
    for f in wire.fields(start, end):
        known = kind.DESCRIPTOR.fields_by_number.get(f.number) if f.wire == LENGTH else None
        message = known and known.message_type
        if known is None or (message is None and known.type != known.TYPE_STRING):
            yield bytes(wire.data[f.at : f.end])
        elif message is None:
            yield _length(f.number, decode_name(wire.text(f)).encode())
        elif message in _LAYERS:
            inside = _light(wire, f.start, f.end, _LAYERS[message], stand_in)
            yield _length(f.number, b"".join(inside))
        elif message == pb.BlobProto.DESCRIPTOR:
            blob = stand_in(f)
            yield b"" if blob is None else _length(f.number, blob.SerializeToString())
        elif _reads(f.number, wire.text(f), kind):
            yield _length(f.number, wire.text(f))


def _reads(number: int, payload: bytes, kind: type[Message]) -> bool:
    """Return whether ``kind`` can hold a field: forks put other messages under its number."""
    try:
        kind.FromString(_length(number, payload))
    except DecodeError:
        return False
    return True


def _length(number: int, payload: bytes) -> bytes:
    return tag(number) + varint(len(payload)) + payload
