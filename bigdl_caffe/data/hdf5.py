"""HDF5Data: the datasets of a list of HDF5 files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from bigdl_caffe.data.source import Floats, Place, Source, at, positive
from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.format.hdf5 import import_h5py
from bigdl_caffe.format.paths import local_copy, read_bytes
from bigdl_caffe.graph.ir import INT_MAX, LayerDef, Shape
from bigdl_caffe.layers.registry import at_least

_NUMBERS = "iuf"


class HDF5Data(Source):
    """Datasets called as the tops, in files by a list (hdf5_data_layer.cpp).

    A batch may go on in the next file. With ``shuffle`` the files come in a new order each
    time through the list, and the rows of a file each time it is read.
    """

    tops = at_least(1)
    options: ClassVar[Mapping[str, str]] = {"hdf5_data_param": "source batch_size shuffle"}

    def __init__(self, layer: LayerDef, phase: str, place: Place) -> None:
        super().__init__(layer, phase, place)
        param = layer.param.hdf5_data_param
        if layer.param.HasField("transform_param"):
            raise CaffeError("HDF5Data does not transform data: take transform_param out")
        self.batch_size = positive(param.batch_size, "batch_size")
        self.shuffle = param.shuffle
        source = place.path(param.source)
        names = read_bytes(source).decode("utf-8", "surrogateescape").split()
        if not names:
            raise CaffeError(f"{source}: the list of HDF5 files is empty")
        self.files = [place.path(name) for name in names]

    def shapes(self) -> list[Shape]:
        """Return the shapes of the first file's datasets, with batch_size rows."""
        return [(self.batch_size, *array.shape[1:]) for array in self._load(self.files[0])]

    def batches(self, rng: np.random.Generator) -> Iterator[list[Floats]]:
        """Yield batch_size rows of every dataset."""
        pieces: list[list[Floats]] = []
        wanted = self.batch_size
        for arrays, rows in self._files(rng):
            place = 0
            while place < len(rows):
                now = rows[place : place + wanted]
                pieces.append([array[now] for array in arrays])
                place, wanted = place + len(now), wanted - len(now)
                if not wanted:
                    yield [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
                    pieces, wanted = [], self.batch_size

    def _files(self, rng: np.random.Generator) -> Iterator[tuple[list[Floats], Any]]:
        """Yield the arrays of one file after another, and the order of its rows, without end."""
        loaded, arrays, like = "", [], None
        while True:
            order = rng.permutation(len(self.files)) if self.shuffle else range(len(self.files))
            for file in (self.files[i] for i in order):
                if file != loaded:
                    loaded, arrays = file, self._load(file)
                    shapes = [array.shape[1:] for array in arrays]
                    like = like or shapes
                    if shapes != like:
                        raise ShapeError(f"{file}: its rows are {shapes}, the first file's {like}")
                rows = len(arrays[0])
                yield arrays, rng.permutation(rows) if self.shuffle else np.arange(rows)

    def _load(self, file: str) -> list[Floats]:
        """Return the datasets of ``file``, one a top and all of as many rows."""
        h5py = import_h5py(file)
        tops = self.layer.tops
        with local_copy(file) as local, at(file):
            try:
                with h5py.File(local, "r") as opened:
                    arrays = [_numbers(opened.get(top), top, list(opened)) for top in tops]
            except (OSError, RuntimeError) as error:
                raise CaffeError(f"this HDF5 file is damaged: {error}") from None
            rows = [len(array) for array in arrays]
            if len({*rows}) > 1 or not rows[0]:
                raise ShapeError(
                    f"the datasets {list(tops)} have {rows} rows: they need as many as "
                    "one another, and at least one"
                )
        return arrays


def _numbers(dataset: Any, top: str, names: list[str]) -> Floats:
    if getattr(dataset, "ndim", None) is None:
        raise CaffeError(f"there is no dataset '{top}' for the top of that name; it has {names}")
    if dataset.dtype.kind not in _NUMBERS or not dataset.ndim:
        raise CaffeError(
            f"the dataset '{top}' has type {dataset.dtype} and shape {dataset.shape}: store "
            "integers or floats, a row a sample"
        )
    if dataset.size > INT_MAX:  # as Blob::Reshape
        raise ShapeError(
            f"the dataset '{top}' has shape {dataset.shape}, more than the {INT_MAX} numbers that "
            "a blob can hold: part it into several files"
        )
    return np.asarray(dataset[()], np.float32)
