"""A caffemodel with another definition and the very same blobs, or each blob written anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.caffemodel import map_file, structure, tag, varint
from bigdl_caffe.format.caffemodel_writer import AnyLayer
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
        Takes the net and returns it, in V1 or V2 terms. In the place of each blob, a layer has a
        stand-in, which ``change`` may move to another layer; the blob's bytes follow it.
    blob : callable
        Takes a layer's name and the bytes of a blob, and returns those to write; by default
        the same.

    Raises
    ------
    CaffeError
        For a net in V0 terms, which ``change`` has to upgrade.
    CaffeFormatError
        For a file that is damaged or no caffemodel, with the byte offset.
    """
    with paths.local_copy(source) as local, local.open("rb") as opened:
        data = map_file(opened, str(source))
        net = change(structure(data, str(source), _place))
        if any(layer.HasField("layer") for layer in net.layers):
            raise CaffeError(f"{source}: its layers are in V0 terms; upgrade it first")
        with paths.atomic_write(target) as out:
            _write(out, net, memoryview(data), blob)


def _place(field: Field) -> pb.BlobProto:
    """Return the stand-in of a blob: where it begins and ends in the file."""
    return pb.BlobProto(shape=pb.BlobShape(dim=(field.start, field.end)))


def _write(out: BinaryIO, net: pb.NetParameter, data: memoryview, encode: Encode) -> None:
    shell = pb.NetParameter()
    shell.CopyFrom(net)
    del shell.layer[:], shell.layers[:]
    out.write(shell.SerializePartialToString())
    for number, layers in (
        (pb.NetParameter.LAYERS_FIELD_NUMBER, net.layers),
        (pb.NetParameter.LAYER_FIELD_NUMBER, net.layer),
    ):
        for layer in layers:
            _write_layer(out, number, layer, data, encode)


def _write_layer(
    out: BinaryIO, number: int, layer: AnyLayer, data: memoryview, encode: Encode
) -> None:
    blobs = [encode(layer.name, data[slice(*blob.shape.dim)]) for blob in layer.blobs]
    bare = type(layer).FromString(layer.SerializePartialToString())
    del bare.blobs[:]
    header = bare.SerializePartialToString()  # forks put other messages under its numbers
    heads = [tag(layer.BLOBS_FIELD_NUMBER) + varint(len(blob)) for blob in blobs]
    size = len(header) + sum(map(len, (*heads, *blobs)))
    out.write(tag(number) + varint(size) + header)
    for head, blob in zip(heads, blobs, strict=True):
        out.write(head)
        out.write(blob)
