"""A module's weights as a safetensors file, under the names of its state dict.

The format is one page: the header's length (8 bytes, little-endian), the header (JSON),
and the numbers, end to end (huggingface/safetensors, README.md, "Format"). Written here it
needs no further package, streams to any file system, and copies no weight.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bigdl_caffe.format.paths import PathLike, atomic_write

DTYPES = {
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
}
"""torch's type → the format's."""

ALIGNMENT = 8
"""The numbers begin at a multiple of it: the header is filled up with spaces to get there."""


def write_safetensors(module: nn.Module, path: PathLike) -> None:
    """Write the weights of ``module`` to one safetensors file: whole or not at all.

    Parameters
    ----------
    module : nn.Module
        Of floating point. A tensor that it has under several names is written once, under
        the first; the metadata give the first name for each other one, as
        ``safetensors.torch.save_model`` has it. ``safetensors.torch.load_model`` reads the
        file back into such a module.
    path : path or URI
        Replaced if it is there.

    Raises
    ------
    CaffeError
        For a folder that is missing, or that may not be written.
    """
    owned: dict[str, Tensor] = {}
    shared: dict[str, str] = {}
    first: dict[object, str] = {}
    for name, tensor in module.state_dict().items():
        owner = first.setdefault((tensor.data_ptr(), tensor.shape), name)
        if owner == name:
            owned[name] = tensor
        else:
            shared[name] = owner
    with atomic_write(path) as out:
        out.write(_header(owned, {"format": "pt", **shared}))
        for tensor in owned.values():  # one at a time: those on a device are copied
            out.write(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)


def _header(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return the header, its length before it."""
    entries: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.nbytes
        entries[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": tuple(tensor.shape),
            "data_offsets": (start, end),
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
