"""The weight table: every blob of a net in one piece of Arrow memory.

The file form is one contract, told in docs/arrow-layout.md: an Arrow IPC file with one
record batch of one row, one column for each blob, named "layer/index", of Arrow's
canonical ``arrow.fixed_shape_tensor`` type in the blob's own shape. The blobs of an int8
net are int8, with their scales beside them: :mod:`bigdl_caffe.weights.scheme`.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from bigdl_caffe.errors import CaffeFormatError, ShapeError
from bigdl_caffe.format.paths import local_copy
from bigdl_caffe.graph.ir import Shape

ALIGNMENT = 64
Array = np.ndarray[Any, Any]
Blobs = Mapping[str, Array]
TYPES: Mapping[np.dtype[Any], pa.DataType] = {
    np.dtype(np.float32): pa.float32(),
    np.dtype(np.int8): pa.int8(),
}
"""What a blob may be of."""


@dataclass(frozen=True)
class WeightTable:
    """Blobs by "layer/index", and the words that travel with them.

    Attributes
    ----------
    blobs : mapping of str to ndarray
        float32, C order, each in Caffe's shape: writable views of one memory. int8 ones with
        their scales in an int8 net.
    """

    blobs: Blobs

    def content_hash(self, metadata: Mapping[str, str]) -> str:
        """Return the SHA-256 of ``metadata`` and of every name, shape and number."""
        digest = hashlib.sha256()
        for key in sorted(metadata):
            digest.update(f"{key}={metadata[key]}\0".encode())
        for key, blob in self.blobs.items():
            digest.update(f"{key}{blob.shape}\0".encode())
            digest.update(blob.reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def to_batch(self, metadata: Mapping[str, str]) -> pa.RecordBatch:
        """Return the one-row record batch over this memory, without a copy."""
        columns = {key: _tensor_array(blob) for key, blob in self.blobs.items()}
        fields = [pa.field(key, column.type, nullable=False) for key, column in columns.items()]
        schema = pa.schema(fields, metadata=dict(metadata))
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)

    def write(self, sink: IO[bytes], metadata: Mapping[str, str]) -> None:
        """Write the Arrow IPC file to ``sink``."""
        batch = self.to_batch(metadata)
        with pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)


def _tensor_array(blob: np.ndarray[Any, Any]) -> pa.Array:
    numbers = TYPES[blob.dtype]
    kind = pa.fixed_shape_tensor(numbers, list(blob.shape))
    values = pa.Array.from_buffers(numbers, blob.size, [None, pa.py_buffer(blob)])
    storage = pa.FixedSizeListArray.from_arrays(values, blob.size)
    return pa.ExtensionArray.from_storage(kind, storage)


def allocate(shapes: Mapping[str, Shape]) -> WeightTable:
    """Return a table of ``shapes`` over one new piece of zeroed memory.

    The memory is the kernel's own, so nothing is touched before it is written. Huge pages
    are not asked for: a virtual machine that reports its free memory to its host takes
    them back one slow fault at a time, which made loading five times slower, not faster.

    Raises
    ------
    ShapeError
        When the machine cannot give so much memory.
    """
    offsets: dict[str, int] = {}
    end = 0
    for key, shape in shapes.items():
        offsets[key] = end
        end += -(-prod(shape) * 4 // ALIGNMENT) * ALIGNMENT
    try:
        memory = mmap.mmap(-1, max(end, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError) as error:
        largest = max(shapes, key=lambda key: prod(shapes[key]))
        raise ShapeError(
            f"the net's weights need {end / 1e9:.1f} GB, more than there is ({error}); the largest "
            f"blob is '{largest}' {shapes[largest]}: check num_output and the input shape"
        ) from error
    return WeightTable({k: _view(memory, offsets[k], s) for k, s in shapes.items()})


def _view(memory: mmap.mmap, offset: int, shape: Shape, dtype: Any = np.float32) -> Array:
    return np.frombuffer(memory, dtype, prod(shape), offset).reshape(shape)


def open_table(path: str | Path, offset: int = 0) -> tuple[WeightTable, dict[str, str]]:
    """Map the Arrow file that begins ``offset`` bytes into ``path``; no number is read.

    The mapping is private and writable: processes that map the same file share its pages
    until one of them writes, which changes its own copy and never the file.

    Returns
    -------
    (WeightTable, dict)
        The table, and the schema's metadata as text.

    Raises
    ------
    CaffeError
        When there is no such file, or it may not be read.
    CaffeFormatError
        When the file is not an Arrow file of this layout.
    """
    memory = _map(path)
    whole = pa.py_buffer(memory)
    try:
        reader = pa.ipc.open_file(pa.BufferReader(whole.slice(offset)))
        batch = reader.get_batch(0)
        batch.validate()
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        metadata = {k.decode(): v.decode() for k, v in (batch.schema.metadata or {}).items()}
    except (pa.ArrowException, OSError, ValueError, IndexError) as error:
        raise _not_ours(f"not an Arrow file of weights ({error})", path, offset) from error
    rows = 1 if columns else 0  # a net may have no weights
    if (reader.num_record_batches, batch.num_rows) != (1, rows):
        found = f"{reader.num_record_batches} batches, {batch.num_rows} rows in the first"
        raise _not_ours(f"weights are one batch of one row, this file has {found}", path, offset)
    blobs = {
        key: _mapped(memory, whole.address, column, path, offset) for key, column in columns.items()
    }
    return WeightTable(blobs), metadata


def _map(path: str | Path) -> mmap.mmap:
    with local_copy(path) as local, local.open("rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except ValueError as error:
            raise CaffeFormatError("the file is empty, not an Arrow file", str(path), 0) from error


def _mapped(memory: mmap.mmap, base: int, column: pa.Array, path: str | Path, offset: int) -> Array:
    """Return ``column``'s one row as a view of ``memory`` (Arrow's own view is read-only)."""
    kind = column.type
    dtypes = {arrow: dtype for dtype, arrow in TYPES.items()}
    dtype = dtypes.get(kind.value_type) if isinstance(kind, pa.FixedShapeTensorType) else None
    if dtype is None:
        what = "a tensor of fixed shape of float32 or int8"
        raise _not_ours(f"a column is {kind}, not {what}", path, offset)
    shape, stored = tuple(kind.shape), column.storage.type.list_size
    if prod(shape) != stored:
        raise _not_ours(f"a column of {stored} numbers says its shape is {shape}", path, offset)
    values = column.storage.values.buffers()[1]
    start = 0 if values is None or stored == 0 else values.address - base
    if not 0 <= start <= len(memory) - stored * dtype.itemsize:
        raise _not_ours("the weights in it are compressed", path, offset)
    return _view(memory, start, shape, dtype)


def _not_ours(what: str, path: str | Path, offset: int) -> CaffeFormatError:
    return CaffeFormatError(f"{what}; write it again with Model.write_bundle", str(path), offset)
