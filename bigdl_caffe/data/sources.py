"""The data of a net: every data layer's tops, one forward pass after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bigdl_caffe.data.annotated import AnnotatedData
from bigdl_caffe.data.given import DummyData, MemoryData
from bigdl_caffe.data.hdf5 import HDF5Data
from bigdl_caffe.data.part import Part
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
    start: int = 0,
    share: tuple[int, int] = (0, 1),
) -> Iterator[dict[str, Floats]]:
    """Return what the data layers of ``net`` give, one forward pass after another, without end.

    Parameters
    ----------
    net : Net
        Its own phase decides which data layers there are, and whether crops are random.
        Input layers have no data: their blobs are for the caller to add.
    seed : int, optional
        Of everything random: shuffling, skipping, crops, mirroring, fillers, windows.
        Caffe's own sequence of random numbers is not reproduced. With a seed a pass is the
        same whatever ``start`` and ``share`` are.
    root : path or URI, optional
        Folder that sources, mean files and lists are relative to; default: the working
        directory, as in Caffe.
    arrays : mapping of str to ndarray, optional
        Top of a MemoryData layer → all its rows.
    start : int
        The first pass to give; those before it are not decoded.
    share : (int, int)
        Rank and number of ranks: of every pass the rows rank, rank + ranks, ... alone are
        decoded and given, and one row to a rank that has none. Rows are told by axis 0;
        of AnnotatedData's boxes by their picture, whose place they name is that in the share.

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
    entropy = np.random.SeedSequence(seed).entropy
    assert isinstance(entropy, int)
    parts = [Part(entropy, (number,), start, *share) for number in range(len(sources))]
    return _passes(layers, sources, parts)


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
    layers: list[LayerDef], sources: list[Source], parts: list[Part]
) -> Iterator[dict[str, Floats]]:
    streams = [source.batches(part) for source, part in zip(sources, parts, strict=True)]
    while True:
        out: dict[str, Floats] = {}
        for layer, stream in zip(layers, streams, strict=True):
            with at(layer):
                out.update(zip(layer.tops, next(stream), strict=True))
        yield out
