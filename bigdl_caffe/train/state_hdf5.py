"""Solver states in HDF5, as SnapshotSolverStateToHDF5 of sgd_solver.cpp lays them out.

``iter`` and ``current_step`` are datasets of one int, ``learned_net`` a text that ends in a
byte 0, and the group ``history`` has a dataset of floats for each array: "0", "1", ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format.hdf5 import import_h5py
from bigdl_caffe.format.lexer import decode_name

MAGIC = b"\x89HDF\r\n\x1a\n"


def read(path: Path, file: str) -> dict[str, Any]:
    """Return what the HDF5 file at ``path`` says, by the names of `SolverState`.

    Parameters
    ----------
    path : Path
        A local file.
    file : str
        Path to name in errors.

    Raises
    ------
    CaffeFormatError
        For a file that is damaged, or no solver state.
    CaffeError
        Where h5py is not installed.
    """
    h5py = import_h5py(file)
    with _explained(file), h5py.File(path, "r") as opened:
        missing = [name for name in ("iter", "history") if name not in opened]
        if missing:
            raise CaffeFormatError(
                f"a solver state has {' and '.join(missing)}, this file has "
                f"{', '.join(opened) or 'nothing'}: is it weights?",
                file,
            )
        history = opened["history"]
        return {
            "iter": int(_one(opened, "iter", 0)),
            "learned_net": decode_name(bytes(_one(opened, "learned_net", b""))),
            "current_step": int(_one(opened, "current_step", 0)),
            "history": tuple(_array(history[str(i)]) for i in range(len(history))),
        }


def write(out: BinaryIO, fields: Mapping[str, Any], file: str) -> None:
    """Write the ``fields`` of a `SolverState` to ``out``, called ``file`` in errors.

    Raises
    ------
    CaffeError
        Where h5py is not installed.
    """
    h5py = import_h5py(file)
    with h5py.File(out, "w") as opened:
        for name in ("iter", "current_step"):
            opened.create_dataset(name, data=np.array([fields[name]], "<i4"), track_times=False)
        _write_text(h5py, opened, "learned_net", fields["learned_net"])
        history = opened.create_group("history")
        for i, array in enumerate(fields["history"]):
            history.create_dataset(str(i), data=array, dtype="<f4", track_times=False)


@contextmanager
def _explained(file: str) -> Iterator[None]:
    """Turn what h5py raises for damaged files into errors of ours."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise CaffeFormatError(f"this HDF5 file is damaged: {error}", file) from None


def _one(opened: Any, name: str, default: Any) -> Any:
    """Return the only value of a dataset, whether it has an axis or none."""
    return np.ravel(opened[name][()])[0] if name in opened else default


def _array(dataset: Any) -> NDArray[np.float32]:
    out = np.empty(dataset.shape, np.float32)
    if out.size:
        dataset.read_direct(out)
    return out


def _write_text(h5py: Any, opened: Any, name: str, text: str) -> None:
    """Write ``text`` as H5LTmake_dataset_string does: Caffe reads up to the byte 0."""
    raw = text.encode() + b"\0"
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(raw))
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    scalar = h5py.h5s.create(h5py.h5s.SCALAR)
    made = h5py.h5d.create(opened.id, name.encode(), kind, scalar)
    made.write(scalar, scalar, np.array(raw, f"S{len(raw)}"))
