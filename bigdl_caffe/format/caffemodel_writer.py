"""Binary weight files, written as a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.caffemodel import tag, varint

AnyLayer = pb.LayerParameter | pb.V1LayerParameter


def write_caffemodel(
    path: paths.PathLike, net: pb.NetParameter, blobs: Sequence[Sequence[NDArray[np.float32]]]
) -> None:
    """Write ``net`` with ``blobs`` as a caffemodel that Caffe reads: whole or not at all.

    Parameters
    ----------
    path : path or URI
        Replaced if it is there.
    net, blobs
        As of `stream_caffemodel`.

    Raises
    ------
    CaffeError
        As `stream_caffemodel`, naming ``path``.
    """
    with paths.atomic_write(path) as out:
        stream_caffemodel(out, net, blobs, str(path))


def stream_caffemodel(
    out: BinaryIO,
    net: pb.NetParameter,
    blobs: Sequence[Sequence[NDArray[np.float32]]],
    file: str = "<stream>",
) -> None:
    """Write the bytes of a caffemodel to ``out``.

    Parameters
    ----------
    out : binary file
    net : NetParameter
        In V2 or V1 terms; blobs and unknown fields in it are left out.
    blobs : sequence of sequences of arrays
        One for each layer of ``net``, empty where it has none: its blobs in Caffe's order,
        float32. By position, because two layers may have one name. One blob at a time is
        in memory twice, and only if it is not contiguous. In V1 terms a blob of up to four
        axes has the shape that Caffes of V1's time read: num, channels, height, width.
    file : str
        Path to name in errors.

    Raises
    ------
    CaffeError
        For blobs of more or fewer layers than ``net`` has, a net in V2 and V1 terms at once,
        and what takes 2 GiB or more, which protobuf and so Caffe does not read.
    """
    layers: Sequence[AnyLayer] = net.layers or net.layer
    if net.layers and net.layer:
        raise CaffeError(f"cannot write {file}: the net is half in V1 terms; upgrade it first")
    if len(blobs) != len(layers):
        raise CaffeError(
            f"cannot write {file}: there are blobs of {len(blobs)} layers, and the net has "
            f"{len(layers)}; give an empty list for a layer without blobs"
        )
    shell = pb.NetParameter()
    shell.CopyFrom(net)
    del shell.layer[:], shell.layers[:], shell.unknown_field[:]
    heads = [_layer_head(layer, own) for layer, own in zip(layers, blobs, strict=True)]
    size = sum(len(head) for part in heads for head in part)
    size += sum(blob.size * 4 for own in blobs for blob in own)
    if size >= 1 << 31:
        raise CaffeError(
            f"cannot write {file}: its weights take {size} bytes, and Caffe reads caffemodels of "
            f"less than 2 GiB; write HDF5, by a name that ends in .caffemodel.h5"
        )
    out.write(shell.SerializeToString())
    for (head, *rest), own in zip(heads, blobs, strict=True):
        out.write(head)
        for blob_head, blob in zip(rest, own, strict=True):
            out.write(blob_head)
            out.write(np.ascontiguousarray(blob, "<f4").data)


def _layer_head(layer: AnyLayer, blobs: Sequence[NDArray[np.float32]]) -> list[bytes]:
    """Return what stands before each run of numbers of a layer: before the first blob, too."""
    old = isinstance(layer, pb.V1LayerParameter)
    shell = type(layer).FromString(layer.SerializeToString())
    del shell.blobs[:], shell.unknown_field[:]
    header = shell.SerializeToString()
    heads = [_blob_head(blob, layer.BLOBS_FIELD_NUMBER, old) for blob in blobs]
    size = len(header) + sum(len(h) + b.size * 4 for h, b in zip(heads, blobs, strict=True))
    number = pb.NetParameter.LAYERS_FIELD_NUMBER if old else pb.NetParameter.LAYER_FIELD_NUMBER
    return [tag(number) + varint(size) + header, *heads]


def _blob_head(blob: NDArray[np.float32], number: int, old: bool) -> bytes:
    """Return all of a blob's field in its layer but the numbers, which follow."""
    shape = (_legacy_shape if old and blob.ndim <= 4 else _shape)(blob.shape).SerializeToString()
    data = tag(pb.BlobProto.DATA_FIELD_NUMBER) + varint(blob.size * 4)
    inside = len(shape) + len(data) + blob.size * 4
    return tag(number) + varint(inside) + shape + data


def _shape(shape: tuple[int, ...]) -> pb.BlobProto:
    """Return a blob's shape; as Caffe's Blob::ToProto, nothing for a blob without axes."""
    return pb.BlobProto(shape=pb.BlobShape(dim=shape)) if shape else pb.BlobProto()


def _legacy_shape(shape: tuple[int, ...]) -> pb.BlobProto:
    num, channels, height, width = (1,) * (4 - len(shape)) + shape
    return pb.BlobProto(num=num, channels=channels, height=height, width=width)
