"""The data of a net: every data layer's tops, one forward pass after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bigdl_caffe.data.annotated import AnnotatedData
from bigdl_caffe.data.given import DummyData, MemoryData
from bigdl_caffe.data.hdf5 import HDF5Data
from bigdl_caffe.data.records import Data, ImageData
from bigdl_caffe.data.source import Array, Floats, Place, Source, at
from bigdl_caffe.data.windows import WindowData
from bigdl_caffe.errors import CaffeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.paths import PathLike
from bigdl_caffe.graph.ir import LayerDef, Net, Shape
from bigdl_caffe.layers.registry import Role, registry, type_key

SOURCES: dict[str, type[Source]] = {
    "AnnotatedData": AnnotatedData,
    "Data": Data,
    "DummyData": DummyData,
    "HDF5Data": HDF5Data,
    "ImageData": ImageData,
    "MemoryData": MemoryData,
    "WindowData": WindowData,
}
"""Layer type → what reads its data."""


def batches(
    net: Net,
    *,
    seed: int | None = None,
    root: PathLike | None = None,
    arrays: Mapping[str, Array] | None = None,
) -> Iterator[dict[str, Floats]]:
    """Return what the data layers of ``net`` give, one forward pass after another, without end.

    Parameters
    ----------
    net : Net
        Its own phase decides which data layers there are, and whether crops are random.
        Input layers have no data: their blobs are for the caller to add.
    seed : int, optional
        Of everything random: shuffling, skipping, crops, mirroring, fillers, windows.
        Caffe's own sequence of random numbers is not reproduced.
    root : path or URI, optional
        Folder that sources, mean files and lists are relative to; default: the working
        directory, as in Caffe.
    arrays : mapping of str to ndarray, optional
        Top of a MemoryData layer → all its rows.

    Returns
    -------
    iterator of dict of str to ndarray
        Blob → float32 array of Caffe's shape, for every top of every data layer.

    Raises
    ------
    UnsupportedLayerError
        For data layers that nothing here reads, at once.
    CaffeError
        For missing, empty and damaged data: what can be seen beforehand at once, the rest
        when it is come upon; naming the layer, the file, and the key or line.
    """
    layers = [layer for layer in net.layers if _is_data(layer)]
    if not layers:
        raise CaffeError("the net has no data layers: feed its inputs by Model.run")
    given = dict(arrays or {})
    unknown = given.keys() - {top for layer in layers for top in layer.tops}
    if unknown:
        raise CaffeError(f"arrays has {sorted(unknown)}, which no data layer of the net makes")
    sources = [_open(layer, net.phase, Place(root, given)) for layer in layers]
    return _passes(layers, sources, np.random.default_rng(seed))


def shapes(
    layer: LayerDef, phase: str = "TEST", *, root: PathLike | None = None
) -> dict[str, Shape]:
    """Return the shapes of a data layer's tops, from its first record as Caffe has them.

    Parameters
    ----------
    layer : LayerDef
        A layer whose type is one of `SOURCES`.
    phase, root
        As of `batches`.

    Raises
    ------
    CaffeError
        Where the data cannot be read.
    """
    source = _open(layer, phase, Place(root))
    with at(layer):
        return dict(zip(layer.tops, source.shapes(), strict=False))


def _is_data(layer: LayerDef) -> bool:
    kind = registry().get(type_key(layer))
    return kind is not None and kind.role is Role.INPUT and layer.type != "Input"


def _open(layer: LayerDef, phase: str, place: Place) -> Source:
    if layer.type not in SOURCES:
        raise UnsupportedLayerError(
            f"{layer}: its data are not read here, as those of {', '.join(SOURCES)} are: feed "
            f"{', '.join(layer.tops)} by Model.run"
        )
    own = layer.param.HasField("phase")
    with at(layer):
        return SOURCES[layer.type](layer, pb.Phase.Name(layer.param.phase) if own else phase, place)


def _passes(
    layers: list[LayerDef], sources: list[Source], rng: np.random.Generator
) -> Iterator[dict[str, Floats]]:
    own = rng.spawn(len(sources))
    streams = [source.batches(r) for source, r in zip(sources, own, strict=True)]
    while True:
        out: dict[str, Floats] = {}
        for layer, stream in zip(layers, streams, strict=True):
            with at(layer):
                out.update(zip(layer.tops, next(stream), strict=True))
        yield out
