"""Weights in HDF5 (``.caffemodel.h5``), as Caffe's Net::ToHDF5 writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.format import paths
from bigdl_caffe.format.source import fits

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Hdf5Blob:
    """A blob of an HDF5 file; see `source.BlobRef`."""

    shape: tuple[int, ...]
    count: int
    dataset: Any
    file: str
    legacy: bool = False

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether Caffe would copy it into a blob of ``shape``."""
        return fits(self.shape, self.legacy, self.count, shape)

    def copy_to(self, out: NDArray[np.float32]) -> None:
        """Write the numbers into ``out``: float32, 1-D, contiguous, ``count`` long."""
        if self.count == 0:
            return
        try:
            self.dataset.read_direct(out.reshape(self.shape))
        except (OSError, TypeError) as error:
            raise CaffeFormatError(f"{self.dataset.name}: {error}", self.file) from None

    def pieces(self, out: NDArray[np.float32]) -> Iterator[Callable[[], None]]:
        """Yield the work of ``copy_to(out)`` in one piece: HDF5 reads under one lock anyway."""
        yield partial(self.copy_to, out)


@dataclass(frozen=True)
class Hdf5Layer:
    """The blobs of one layer; see `source.LayerBlobs`. HDF5 files hold no layer types."""

    name: str
    blobs: tuple[Hdf5Blob, ...]
    indices: tuple[int, ...]
    type: str = ""


class Hdf5Weights:
    """An open ``.caffemodel.h5``; see `source.WeightSource`. Layers come by name.

    Parameters
    ----------
    path : path or URI
        A remote file is copied to a temporary one, which `close` removes.

    Raises
    ------
    CaffeError
        Where h5py is not installed.
    CaffeFormatError
        For a file that is damaged, or not made by Caffe.
    """

    def __init__(self, path: paths.PathLike) -> None:
        h5py = import_h5py(path)
        self.file = str(path)
        with ExitStack() as stack:
            local = stack.enter_context(paths.local_copy(path))
            try:
                opened = stack.enter_context(h5py.File(local, "r"))
                data = opened.get("data")
                if not isinstance(data, h5py.Group):
                    names = ", ".join(opened) or "nothing"
                    raise CaffeFormatError(
                        f"weights have a group 'data', this file has {names}: is it a solverstate, "
                        "or of another framework?",
                        self.file,
                    )
                self.layers = tuple(_layers(h5py, data, "", self.file))
            except (OSError, RuntimeError, KeyError) as error:
                raise CaffeFormatError(f"this HDF5 file is damaged: {error}", self.file) from None
            self._open = stack.pop_all()

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def __enter__(self) -> Hdf5Weights:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


Numbered = Iterable[tuple[str, Mapping[int, NDArray[np.float32]]]]


def write_hdf5(
    out: Path | BinaryIO, layers: Numbered, file: str, diffs: Numbered | None = None
) -> None:
    """Write weights as Caffe's Net::ToHDF5 does: /data/<layer>/<index>.

    Parameters
    ----------
    out : Path or binary file
        A local file, which is made or written over.
    layers : iterable of (str, mapping of int to ndarray)
        Layer and its blobs by index, without those that it shares of another layer. A layer
        without any has an empty group. Caffe finds no layer with a "/" in its name again;
        this package does.
    file : str
        Path to name in errors.
    diffs : iterable of (str, mapping of int to ndarray), optional
        The blobs' diffs, which go to /diff/<layer>/<index>.

    Raises
    ------
    CaffeError
        Where h5py is not installed, and for names that HDF5 cannot hold beside each other.
    """
    h5py = import_h5py(file)
    with h5py.File(out, "w") as opened:
        _write_layers(opened.create_group("data"), layers, file)
        if diffs is not None:
            _write_layers(opened.create_group("diff"), diffs, file)


def _write_layers(data: Any, layers: Numbered, file: str) -> None:
    seen: set[str] = set()
    for name, blobs in layers:
        try:
            if name in seen or not {"", "."}.isdisjoint(name.split("/")):
                raise ValueError("it is there twice, or begins or ends with a /")
            group = data.require_group(name)
            for index, blob in blobs.items():
                group.create_dataset(str(index), data=blob, dtype="<f4", track_times=False)
        except (ValueError, TypeError, RuntimeError) as error:
            raise CaffeError(
                f"cannot write {file}: HDF5 cannot hold layer '{name}' beside the others "
                f"({error}); rename it, or write a .caffemodel"
            ) from None
        seen.add(name)


def import_h5py(path: paths.PathLike) -> Any:
    """Return the h5py package, or raise `CaffeError` that ``path`` needs it."""
    try:
        import h5py
    except ImportError:
        raise CaffeError(
            f"{path} is an HDF5 file, which needs h5py: pip install bigdl-caffe[hdf5]"
        ) from None
    return h5py


def _layers(h5py: Any, group: Any, name: str, file: str) -> Iterator[Hdf5Layer]:
    """Yield the layer that ``group`` is and those in it: a "/" in a layer's name nests groups."""
    datasets = {key: item for key, item in group.items() if isinstance(item, h5py.Dataset)}
    if name and (datasets or not len(group)):
        blobs = {_number(key): _blob(item, file) for key, item in datasets.items()}
        indices = sorted(blobs)
        yield Hdf5Layer(name, tuple(blobs[i] for i in indices), tuple(indices))
    for key, item in group.items():
        if isinstance(item, h5py.Group):
            yield from _layers(h5py, item, f"{name}/{key}" if name else key, file)


def _number(key: str) -> int:
    if not _INDEX.fullmatch(key):
        raise KeyError(f"a layer's blobs are numbered, but one is called '{key}'")
    return int(key)


def _blob(dataset: Any, file: str) -> Hdf5Blob:
    shape = tuple(int(n) for n in dataset.shape)
    return Hdf5Blob(shape, int(dataset.size), dataset, file)
