"""What an HDF5Output layer leaves behind."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.format.hdf5 import import_h5py
from bigdl_caffe.format.paths import PathLike, atomic_write

Array = NDArray[Any]


def write_hdf5_output(path: PathLike, data: Array, label: Array) -> None:
    """Write the file that Caffe's HDF5Output layer writes (hdf5_output_layer.cpp).

    Datasets "data" and "label" hold one batch, with four axes each: 1 for those that a
    blob lacks. Caffe writes a batch a file, and so does this.

    Parameters
    ----------
    path : str or Path
        Local path or URI; the layer's ``hdf5_output_param.file_name``. The file appears
        whole or not at all, and replaces one that is there.
    data, label : ndarray
        (n, ...) The layer's bottoms, with at most four axes. float64 stays, all else
        becomes float32.

    Raises
    ------
    ShapeError
        When a bottom has more than four axes, or they differ in their first.
    CaffeError
        When the file cannot be written, or h5py is not installed.
    """
    h5py = import_h5py(path)
    blobs = {"data": _four_axes("data", data), "label": _four_axes("label", label)}
    if blobs["data"].shape[0] != blobs["label"].shape[0]:
        raise ShapeError(
            f"data has shape {data.shape} and label {label.shape}: they need as many rows"
        )
    whole = BytesIO()
    with h5py.File(whole, "w") as file:
        for name, blob in blobs.items():
            file.create_dataset(name, data=blob)
    with atomic_write(path) as out:
        out.write(whole.getbuffer())


def _four_axes(name: str, blob: Array) -> Array:
    if blob.ndim > 4:
        raise ShapeError(f"{name} has shape {blob.shape}; HDF5Output takes at most 4 axes")
    four = blob.reshape(*blob.shape, *[1] * (4 - blob.ndim))
    return four if four.dtype == np.float64 else four.astype(np.float32)
