"""Packed weights in one file a host, which all its processes map; plain tensors, too.

torch packs weights into memory of its own. The file holds the same bytes and oneDNN's words on
how they lie; the tensors made over its mapping share the page cache. torch hands out that
construction to compiled models alone, by the C functions that those link to; where a torch
lacks them, each process keeps its own copy.
"""

from __future__ import annotations

import base64
import ctypes
import json
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.graph.ir import Shape

ALIGNMENT = 4096
_END = struct.Struct("<QI4s")
"""Bytes of the index, its checksum, and what such files end with."""
_MARK = b"bcp3"

Item = tuple[str, Tensor]
_Said = tuple[int, int, list[int], str, str]
"""Of a weight: start and size in bytes, shape, oneDNN's words ("" for a plain one), and the type
of its numbers."""


def write_packed(out: IO[bytes], items: Iterable[Item]) -> None:
    """Write packed, and plain, weights as they come: each is dropped before the next is made."""
    index, end = {}, 0
    for name, made in items:
        tensor = made if made.is_mkldnn else made.contiguous()
        size, address, words = _lies(tensor)
        raw = (ctypes.c_char * size).from_address(address)
        kind = str(tensor.dtype).removeprefix("torch.")
        index[name] = (end, size, list(tensor.shape), base64.b64encode(words).decode(), kind)
        out.write(raw)
        out.write(b"\0" * (-size % ALIGNMENT))
        end += size + -size % ALIGNMENT
        del made, tensor, raw
    text = json.dumps(index).encode()
    out.write(text)
    out.write(_END.pack(len(text), zlib.crc32(text), _MARK))


def _lies(tensor: Tensor) -> tuple[int, int, bytes]:
    """Return a tensor's bytes, its address, and oneDNN's words on how it lies there."""
    if not tensor.is_mkldnn:
        return tensor.nbytes, tensor.data_ptr(), b""
    size, address = int(torch.ops.mkldnn._nbytes(tensor)), torch.ops.mkldnn.data_ptr(tensor)
    return size, address, torch.ops.mkldnn._get_mkldnn_serialized_md(tensor).numpy().tobytes()


def read_packed(path: Path) -> dict[str, Tensor]:
    """Map the file of `write_packed`: the mapping stays as long as a tensor does.

    Raises
    ------
    CaffeFormatError
        For a file that was cut short, or is another.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < _END.size:
            raise _damaged(path)
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    index = _index(memory, path)
    return {name: _tensor(memory, *said) for name, said in index.items()}


def _tensor(
    memory: mmap.mmap, start: int, size: int, shape: list[int], words: str, kind: str
) -> Tensor:
    """Return a tensor over its part of ``memory``, which it keeps."""
    if not words:
        dtype: torch.dtype = getattr(torch, kind)
        count = size // dtype.itemsize
        return torch.frombuffer(memory, dtype=dtype, count=count, offset=start).view(shape)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    tensor = _over(base + start, tuple(shape), base64.b64decode(words), kind)
    vars(tensor)["memory"] = memory  # torch keeps what is in there as long as the C++ tensor
    return tensor


def _index(memory: mmap.mmap, path: Path) -> Mapping[str, _Said]:
    """Return what is said of each weight."""
    length, checksum, mark = _END.unpack(memory[-_END.size :])
    end = len(memory) - _END.size - length
    text = memory[max(end, 0) : -_END.size]
    if mark != _MARK or end < 0 or zlib.crc32(text) != checksum:
        raise _damaged(path)
    index: dict[str, _Said] = json.loads(text)
    if any(start + size > end for start, size, *_ in index.values()):
        raise _damaged(path)
    return index


def _damaged(path: Path) -> CaffeFormatError:
    return CaffeFormatError(f"{path} is no whole file of packed weights: delete it")


@cache
def can_map() -> bool:
    """Return whether this torch makes packed tensors over memory that is there."""
    names = set(torch._C._dispatch_get_all_op_names())
    wanted = ("_nbytes", "_get_mkldnn_serialized_md", "data_ptr")
    if not all(f"mkldnn::{name}" in names for name in wanted):
        return False
    with suppress(AttributeError, OSError):
        return _functions() is not None and _steal() is not None
    return False


_int, _long, _address = ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p


@cache
def _functions() -> Any:
    """Return torch's C functions, of its stable ABI for compiled models."""
    library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
    make = library.aoti_torch_create_tensor_from_blob_v2
    make.restype = _int
    make.argtypes = [
        *(_address, _long, ctypes.POINTER(_long), ctypes.POINTER(_long), _long),  # where it lies
        *(_int, _int, _int, ctypes.POINTER(_address)),  # of what type, on which device; the result
        *(_int, ctypes.c_char_p, _long),  # layout
    ]
    kinds = ("dtype_float32", "dtype_int8", "device_type_cpu", "layout__mkldnn")
    delete = library.aoti_torch_delete_tensor_object
    delete.restype, delete.argtypes = _int, [_address]
    return make, delete, {kind: getattr(library, f"aoti_torch_{kind}")() for kind in kinds}


@cache
def _steal() -> Callable[[Any], Tensor]:
    steal: Callable[[Any], Tensor] = torch._C._aoti.alloc_tensor_by_stealing_from_void_ptr
    return steal


def _over(address: int, shape: Shape, words: bytes, kind: str) -> Tensor:
    """Return a packed tensor over memory that has to outlive it."""
    make, delete, kinds = _functions()
    dtype, device = kinds[f"dtype_{kind}"], kinds["device_type_cpu"]
    layout = kinds["layout__mkldnn"]
    sizes, strides = (_long * len(shape))(*shape), (_long * len(shape))()
    made = _address()
    where = address, len(shape), sizes, strides, 0
    if make(*where, dtype, device, 0, ctypes.byref(made), layout, words, len(words)):
        raise RuntimeError("torch made no tensor over the file of packed weights")
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = ctypes.py_object, [_address, ctypes.c_char_p, _address]
    tensor = _steal()(capsule(made, None, None))
    if getattr(tensor, "_use_count", lambda: 1)() > 1:  # torch copies what it says that it steals
        delete(made)
    return tensor
