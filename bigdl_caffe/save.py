"""From a model to Caffe's files: the definition as text, the weights as binary or HDF5."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from bigdl_caffe.format import paths
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.caffemodel_writer import stream_caffemodel
from bigdl_caffe.format.hdf5 import write_hdf5
from bigdl_caffe.format.prototxt import format_message
from bigdl_caffe.format.together import write_together
from bigdl_caffe.graph.downgrade import downgrade, v1_layer
from bigdl_caffe.graph.fold import fold as fold_net
from bigdl_caffe.graph.ir import LayerDef, Net
from bigdl_caffe.graph.names import ALIAS
from bigdl_caffe.weights.slots import Slot
from bigdl_caffe.weights.table import WeightTable

log = logging.getLogger("bigdl_caffe")

Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class LayerWeights:
    """What a weight file holds of one layer.

    Attributes
    ----------
    layer : LayerDef
    blobs : tuple of ndarray
        In Caffe's order and shapes.
    shared : frozenset of int
        The indices of blobs that an earlier layer owns.
    diffs : tuple of ndarray
        What Caffe calls their diffs; none, or one for each.
    """

    layer: LayerDef
    blobs: tuple[Array, ...]
    shared: frozenset[int] = frozenset()
    diffs: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Saved:
    """What is written of a model: see `contents`."""

    definition: pb.NetParameter
    layers: tuple[LayerWeights, ...]


def save(
    saved: Saved, prototxt: paths.PathLike, weights: paths.PathLike, use_v2: bool, overwrite: bool
) -> None:
    """Write ``saved`` as two files; see `bigdl_caffe.Model.save_caffe`.

    The text is the whole definition: data layers, losses, phase rules, and what the schema
    does not know. The weight file holds the layers of the model in their order, of each its
    name, type, bottoms, tops, and blobs, as Caffe's Net::ToProto writes them: a shared blob
    under every layer that shares it. Options stand in the text alone: Caffe reads weights by
    names, and forks use one number for different options. HDF5 is as Net::ToHDF5 writes it:
    the layers with blobs, and a shared blob under the layer that owns it.
    """
    definition = saved.definition if use_v2 else downgrade(saved.definition)
    with write_together([prototxt, weights], overwrite) as (text, numbers):
        text.write_text(format_message(definition), encoding="ascii")
        with numbers.open("w+b") as out:
            write_weights(out, saved, os.fspath(weights), use_v2)


def write_weights(out: BinaryIO, saved: Saved, file: str, use_v2: bool = True) -> None:
    """Write the weights alone, as `save` does, to ``out``: HDF5 if ``file`` ends in ".h5"."""
    if file.endswith(".h5"):
        own = ((each.layer.name, _owned(each)) for each in saved.layers if each.blobs)
        diffs = [(each.layer.name, dict(enumerate(each.diffs))) for each in saved.layers]
        write_hdf5(out, own, file, [each for each in diffs if each[1]] or None)
    else:
        _write_binary(out, saved, file, use_v2)


def contents(net: Net, slots: Sequence[Slot], table: WeightTable, fold: bool = False) -> Saved:
    """Return what is to be written of a net, without a copy of its weights.

    Parameters
    ----------
    net : Net
    slots : sequence of Slot
        Its blobs.
    table : WeightTable
        Their numbers.
    fold : bool
        Whether to fold what `graph.fold` can.
    """
    by_layer: dict[int, list[Slot]] = {}
    for slot in slots:
        by_layer.setdefault(slot.layer, []).append(slot)
    layers = tuple(
        LayerWeights(
            layer,
            tuple(table.blobs[slot.key].reshape(slot.spec.shape) for slot in by_layer.get(i, ())),
            frozenset(slot.index for slot in by_layer.get(i, ()) if slot.shared),
        )
        for i, layer in enumerate(net.layers)
        if layer.type != ALIAS
    )
    return _fold(net, layers) if fold else Saved(net.definition, layers)


def warn_of_lost(net: Net, unused: Sequence[str]) -> None:
    """Say which layers of the definition had weights that the model did not take."""
    names = {layer.name for layer in net.definition.layer}
    lost = [name for name in unused if name in names]
    if lost:
        log.warning(
            "the definition has layers that are not part of the model in phase %s, and whose "
            "weights are not saved: %s; load the model for that phase, or without outputs=, to "
            "save them",
            net.phase,
            ", ".join(lost),
        )


def _fold(net: Net, layers: Sequence[LayerWeights]) -> Saved:
    folded = fold_net(net, {each.layer.name: each.blobs for each in layers})
    left = (each for each in layers if each.layer.name not in folded.gone)
    return Saved(
        folded.definition,
        tuple(
            LayerWeights(
                each.layer, tuple(folded.blobs.get(each.layer.name, each.blobs)), each.shared
            )
            for each in left
        ),
    )


def _owned(each: LayerWeights) -> Mapping[int, Array]:
    return {i: blob for i, blob in enumerate(each.blobs) if i not in each.shared}


def _write_binary(out: BinaryIO, saved: Saved, file: str, use_v2: bool) -> None:
    net = pb.NetParameter()
    if saved.definition.HasField("name"):
        net.name = saved.definition.name
    heads = [_head(each.layer) for each in saved.layers]
    if use_v2:
        net.layer.extend(heads)
    else:
        net.layers.extend(map(v1_layer, heads))
    blobs = [each.blobs for each in saved.layers]
    stream_caffemodel(out, net, blobs, file, [each.diffs for each in saved.layers])


def _head(layer: LayerDef) -> pb.LayerParameter:
    return pb.LayerParameter(name=layer.name, type=layer.type, bottom=layer.bottoms, top=layer.tops)
