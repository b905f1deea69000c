"""A caffemodel with another definition and the very same blobs, or each blob written anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.caffemodel import map_file, structure, tag, varint
from bigdl_caffe.format.walk import Field

Change = Callable[[pb.NetParameter], pb.NetParameter]
Encode = Callable[[str, memoryview], bytes | memoryview]


def rewrite(
    source: paths.PathLike,
    target: paths.PathLike,
    change: Change,
    blob: Encode = lambda layer, data: data,
) -> None:
    """Write the caffemodel ``source`` to ``target`` with its net changed: whole or not at all.

    Parameters
    ----------
    source, target : path or URI
        May be the same.
    change : callable
        Takes the net and returns it in V2 terms. In the place of each blob, a layer has a
        stand-in, which ``change`` may move to another layer; the blob's bytes follow it.
    blob : callable
        Takes a layer's name and the bytes of a blob, and returns those to write; by default
        the same.

    Raises
    ------
    CaffeFormatError
        For a file that is damaged or no caffemodel, with the byte offset.
    """
    with paths.local_copy(source) as local, local.open("rb") as opened:
        data = map_file(opened, str(source))
        net = change(structure(data, str(source), _place))
        with paths.atomic_write(target) as out:
            _write(out, net, memoryview(data), blob)


def _place(field: Field) -> pb.BlobProto:
    """Return the stand-in of a blob: where it begins and ends in the file."""
    return pb.BlobProto(shape=pb.BlobShape(dim=(field.start, field.end)))


def _write(out: BinaryIO, net: pb.NetParameter, data: memoryview, encode: Encode) -> None:
    shell = pb.NetParameter()
    shell.CopyFrom(net)
    del shell.layer[:]
    out.write(shell.SerializeToString())
    for layer in net.layer:
        blobs = [encode(layer.name, data[slice(*blob.shape.dim)]) for blob in layer.blobs]
        bare = pb.LayerParameter()
        bare.CopyFrom(layer)
        del bare.blobs[:]
        header = bare.SerializePartialToString()  # forks put other messages under its numbers
        heads = [tag(pb.LayerParameter.BLOBS_FIELD_NUMBER) + varint(len(b)) for b in blobs]
        size = len(header) + sum(map(len, heads)) + sum(map(len, blobs))
        out.write(tag(pb.NetParameter.LAYER_FIELD_NUMBER) + varint(size) + header)
        for head, blob in zip(heads, blobs, strict=True):
            out.write(head)
            out.write(blob)
