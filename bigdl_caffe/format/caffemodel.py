"""Binary weight files: read through a map, written as a stream."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO

import numpy as np
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.bytesource import FileBytes
from bigdl_caffe.format.lexer import decode_name
from bigdl_caffe.format.walk import LENGTH, Wire
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
                _map(opened, self.file), self.file, source
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
        data = _map(opened, str(path))
        index_caffemodel(data, str(path))
        wire = Wire(memoryview(data), str(path))
        try:
            return pb.NetParameter.FromString(
                b"".join(_without_blobs(wire, 0, len(data), pb.NetParameter))
            )
        except DecodeError as error:
            raise CaffeFormatError(f"the net's definition is damaged: {error}", str(path)) from None


def write_caffemodel(
    path: paths.PathLike, net: pb.NetParameter, blobs: Sequence[Sequence[NDArray[np.float32]]]
) -> None:
    """Write ``net`` with ``blobs`` as a caffemodel that Caffe reads: whole or not at all.

    Parameters
    ----------
    path : path or URI
        Replaced if it is there.
    net : NetParameter
        In V2 terms; blobs and unknown fields in it are left out.
    blobs : sequence of sequences of arrays
        One for each layer of ``net``, empty where it has none: its blobs in Caffe's order,
        float32. By position, because two layers may have one name. One blob at a time is
        in memory twice, and only if it is not contiguous.

    Raises
    ------
    CaffeError
        For blobs of more or fewer layers than ``net`` has, a net in V1 terms, and a layer
        of 2 GiB or more, which protobuf cannot hold.
    """
    if net.layers:
        raise CaffeError(f"cannot write {path}: the net is in V1 terms; upgrade it first")
    if len(blobs) != len(net.layer):
        raise CaffeError(
            f"cannot write {path}: there are blobs of {len(blobs)} layers, and the net has "
            f"{len(net.layer)}; give an empty list for a layer without blobs"
        )
    shell = pb.NetParameter()
    shell.CopyFrom(net)
    del shell.layer[:], shell.unknown_field[:]
    with paths.atomic_write(path) as out:
        out.write(shell.SerializeToString())
        for layer, own in zip(net.layer, blobs, strict=True):
            _write_layer(out, layer, own)


def _write_layer(
    out: BinaryIO, layer: pb.LayerParameter, blobs: Sequence[NDArray[np.float32]]
) -> None:
    shell = pb.LayerParameter()
    shell.CopyFrom(layer)
    del shell.blobs[:], shell.unknown_field[:]
    header = shell.SerializeToString()
    heads = [_blob_head(blob) for blob in blobs]
    size = len(header) + sum(len(h) + b.size * 4 for h, b in zip(heads, blobs, strict=True))
    if size >= 1 << 31:
        raise CaffeError(
            f"layer '{layer.name}' takes {size} bytes; a caffemodel holds 2 GiB a layer"
        )
    out.write(_tag(pb.NetParameter.LAYER_FIELD_NUMBER) + _varint(size) + header)
    for head, blob in zip(heads, blobs, strict=True):
        out.write(head)
        out.write(np.ascontiguousarray(blob, "<f4").data)


def _blob_head(blob: NDArray[np.float32]) -> bytes:
    """Return all of a blob's field in its layer but the numbers, which follow."""
    shape = pb.BlobProto(shape=pb.BlobShape(dim=blob.shape)).SerializeToString()
    data = _tag(pb.BlobProto.DATA_FIELD_NUMBER) + _varint(blob.size * 4)
    inside = len(shape) + len(data) + blob.size * 4
    return _tag(pb.LayerParameter.BLOBS_FIELD_NUMBER) + _varint(inside) + shape + data


def _tag(number: int) -> bytes:
    return _varint(number << 3 | LENGTH)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _map(opened: BinaryIO, file: str) -> Any:
    """Return the map of a file; an empty one cannot be mapped, and holds no net."""
    try:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise CaffeFormatError("the file is empty: fetch or save it again", file, 0) from None


_LAYERS: dict[Any, type[Message]] = {
    kind.DESCRIPTOR: kind for kind in (pb.LayerParameter, pb.V1LayerParameter, pb.V0LayerParameter)
}


def _without_blobs(wire: Wire, start: int, end: int, kind: type[Message]) -> Iterator[bytes]:
    """Yield the fields of a message of ``kind``: no blobs, and text as `decode_name` reads it."""
    for f in wire.fields(start, end):
        known = kind.DESCRIPTOR.fields_by_number.get(f.number) if f.wire == LENGTH else None
        message = known and known.message_type
        if known is None or (message is None and known.type != known.TYPE_STRING):
            yield bytes(wire.data[f.at : f.end])
        elif message is None:
            yield _length(f.number, decode_name(wire.text(f)).encode())
        elif message in _LAYERS:
            yield _length(
                f.number, b"".join(_without_blobs(wire, f.start, f.end, _LAYERS[message]))
            )
        elif message != pb.BlobProto.DESCRIPTOR and _reads(f.number, wire.text(f), kind):
            yield _length(f.number, wire.text(f))


def _reads(number: int, payload: bytes, kind: type[Message]) -> bool:
    """Return whether ``kind`` can hold a field: forks put other messages under its number."""
    try:
        kind.FromString(_length(number, payload))
    except DecodeError:
        return False
    return True


def _length(number: int, payload: bytes) -> bytes:
    return _tag(number) + _varint(len(payload)) + payload
