"""Binary weight files, written as a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.blobwriter import (
    Piece,
    blob_pieces,
    check_size,
    size_of,
    write_pieces,
)
from bigdl_caffe.format.caffemodel import tag, varint

AnyLayer = pb.LayerParameter | pb.V1LayerParameter
Blobs = Sequence[NDArray[np.float32]]


def write_caffemodel(path: paths.PathLike, net: pb.NetParameter, blobs: Sequence[Blobs]) -> None:
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
    blobs: Sequence[Blobs],
    file: str = "<stream>",
    diffs: Sequence[Blobs] = (),
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
    diffs : sequence of sequences of arrays
        The blobs' diffs, empty for a layer without; none by default.

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
    own = zip(layers, blobs, diffs or [[]] * len(layers), strict=True)
    pieces = [piece for layer in own for piece in _layer_pieces(*layer)]
    check_size(size_of(pieces), file, ".caffemodel.h5")
    out.write(shell.SerializeToString())
    write_pieces(out, pieces)


def _layer_pieces(layer: AnyLayer, blobs: Blobs, diffs: Blobs) -> list[Piece]:
    """Return a layer's field, with its ``blobs`` in the place of its own."""
    old = isinstance(layer, pb.V1LayerParameter)
    shell = type(layer).FromString(layer.SerializeToString())
    del shell.blobs[:], shell.unknown_field[:]
    inside = [Piece(shell.SerializeToString())]
    beside: Sequence[NDArray[np.float32] | None] = diffs or [None] * len(blobs)
    for blob, diff in zip(blobs, beside, strict=True):
        inside += blob_pieces(layer.BLOBS_FIELD_NUMBER, blob, diff, legacy=old)
    number = pb.NetParameter.LAYERS_FIELD_NUMBER if old else pb.NetParameter.LAYER_FIELD_NUMBER
    return [Piece(tag(number) + varint(size_of(inside))), *inside]
