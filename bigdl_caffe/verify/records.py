"""What was recorded of a model: an ``.npz`` of its inputs and blobs."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format.paths import PathLike, read_bytes
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.verify.traces import Trace, steps

Array = np.ndarray[Any, Any]

_INPUT = ("in/{blob}", "s0/in/{blob}", "{blob}")
_BLOB = ("out/{blob}", "s0/top/{blob}", "{blob}")
_VALUE = ("s0/layertop/{layer}/{blob}", "{value}")
_OTHER = re.compile(r"(sum|param)/|s\d+/")
"""Keys of a record of training steps that are no blob of the first forward pass."""


def read_arrays(path: PathLike) -> dict[str, Array]:
    """Read the arrays of an ``.npz`` file.

    Raises
    ------
    CaffeError
        For a file that is missing.
    CaffeFormatError
        For one that is none, or holds something else than numbers.
    """
    raw = read_bytes(path)
    try:
        if not raw.startswith(b"PK"):
            raise ValueError("it is no zip archive")
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            arrays = {key: np.asarray(file[key]) for key in file.files}
    except (ValueError, EOFError, OSError, KeyError, zlib.error, zipfile.BadZipFile) as error:
        raise CaffeFormatError(
            f"this is no .npz file of arrays, or a damaged one: {error}", str(path)
        ) from None
    wrong = [key for key, array in arrays.items() if array.dtype.kind not in "biuf"]
    if wrong:
        raise CaffeFormatError(f"'{wrong[0]}' is no array of numbers", str(path))
    return arrays


def recorded_feed(arrays: Mapping[str, Array], net: Net) -> dict[str, Array]:
    """Return the recorded inputs of ``net``: ``in/data``, or plain ``data``."""
    return {blob: arrays[key] for blob, key in _input_keys(arrays, net).items()}


def recorded(arrays: Mapping[str, Array], net: Net) -> Trace:
    """Return the recorded values of ``net``.

    A blob is found as ``out/prob`` or plain ``prob``; its value before an in-place layer as
    ``conv1~0``. Records of Caffe's own steps name them ``s0/top/prob``, and
    ``s0/layertop/conv1/conv1`` behind each layer.
    """
    wanted = steps(net)
    keys: dict[str, str] = {}
    for step in wanted:
        forms = (*_VALUE, *(_BLOB if step.value == step.blob else ()))
        found = next((k for f in forms if (k := f.format(**step._asdict())) in arrays), None)
        if found is not None:
            keys[step.value] = found
    tops = {form.format(blob=blob) for form in _BLOB for blob in net.fed}
    known = {*keys.values(), *_input_keys(arrays, net).values(), *tops}
    strange = tuple(k for k in arrays if k not in known and not _OTHER.match(k))
    values = {value: arrays[key] for value, key in keys.items()}
    return Trace(wanted, values, strange)


def _input_keys(arrays: Mapping[str, Array], net: Net) -> dict[str, str]:
    found = {b: next((k for f in _INPUT if (k := f.format(blob=b)) in arrays), "") for b in net.fed}
    return {blob: key for blob, key in found.items() if key}
