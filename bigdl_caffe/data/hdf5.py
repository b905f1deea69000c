"""HDF5Data: the datasets of a list of HDF5 files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.data.part import Part
from bigdl_caffe.data.source import Floats, Place, Source, at, positive
from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.format.hdf5 import import_h5py
from bigdl_caffe.format.paths import local_copy, read_bytes
from bigdl_caffe.graph.ir import INT_MAX, LayerDef, Shape
from bigdl_caffe.layers.registry import at_least

Indices = NDArray[np.intp]

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

    def batches(self, part: Part) -> Iterator[list[Floats]]:
        """Yield batch_size rows of every dataset."""
        mine = np.zeros(self.batch_size, bool)
        mine[part.rows(self.batch_size)] = True
        pieces: list[list[Floats]] = []
        done = 0  # rows of the batch
        for arrays, rows in self._files(part):
            place = 0
            while place < len(rows):
                now = rows[place : place + self.batch_size - done]
                taken = now[mine[done : done + len(now)]]
                pieces.append([array[taken] for array in arrays])
                place, done = place + len(now), done + len(now)
                if done == self.batch_size:
                    yield [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
                    pieces, done = [], 0

    def _files(self, part: Part) -> Iterator[tuple[list[Floats], Indices]]:
        """Yield the arrays of one file after another, and the order of its rows, without end."""
        loaded, arrays, like = "", [], None
        for number, skipped in self._visits(part):
            file = self.files[number[1]]
            if file != loaded:
                loaded, arrays = file, self._load(file)
                shapes = [array.shape[1:] for array in arrays]
                like = like or shapes
                if shapes != like:
                    raise ShapeError(f"{file}: its rows are {shapes}, the first file's {like}")
            rows = len(arrays[0])
            order = part.rng(*number).permutation(rows) if self.shuffle else np.arange(rows)
            yield arrays, order[skipped:]

    def _visits(self, part: Part) -> Iterator[tuple[tuple[int, int], int]]:
        """Yield the epoch and the place in the list of one file after another.

        The third number is how many rows of it come before the part.
        """
        left = part.start * self.batch_size
        sizes = [self._rows(file) for file in self.files] if left else []
        first, left = divmod(left, sum(sizes)) if left else (0, 0)
        for epoch in count(first):
            files = range(len(self.files))
            for i in part.rng(epoch).permutation(files) if self.shuffle else files:
                if left and left >= sizes[i]:
                    left -= sizes[i]
                    continue
                yield (epoch, int(i)), left
                left = 0

    def _rows(self, file: str) -> int:
        """Return how many rows ``file`` has, without reading them."""
        with self._opened(file) as datasets:
            return len(datasets[0])

    def _load(self, file: str) -> list[Floats]:
        with self._opened(file) as datasets:
            return [np.asarray(dataset[()], np.float32) for dataset in datasets]

    @contextmanager
    def _opened(self, file: str) -> Iterator[list[Any]]:
        """Open the datasets of ``file``, one a top and all of as many rows."""
        h5py = import_h5py(file)
        tops = self.layer.tops
        with local_copy(file) as local, at(file):
            try:
                with h5py.File(local, "r") as opened:
                    datasets = [_numbers(opened.get(top), top, list(opened)) for top in tops]
                    _check_rows(tops, [len(dataset) for dataset in datasets])
                    yield datasets
            except (OSError, RuntimeError) as error:
                raise CaffeError(f"this HDF5 file is damaged: {error}") from None


def _check_rows(tops: Sequence[str], rows: list[int]) -> None:
    if len({*rows}) > 1 or not rows[0]:
        raise ShapeError(
            f"the datasets {list(tops)} have {rows} rows: they need as many as one another, and at "
            "least one"
        )


def _numbers(dataset: Any, top: str, names: list[str]) -> Any:
    """Return ``dataset`` if it can be a blob."""
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
    return dataset
