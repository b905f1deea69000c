"""Arrow columns that the tests read, and how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bigdl_caffe.spark.columns import Feed, read

BINARIES = (pa.binary(), pa.large_binary())
SIZES = dict.fromkeys(["height", "width", "nChannels", "mode"], pa.int32())
IMAGE = pa.struct({"origin": pa.string(), **SIZES, "data": pa.binary()})
SHAPED = pa.struct({"shape": pa.list_(pa.int32()), "data": pa.list_(pa.float32())})
VECTOR = pa.struct(
    {
        "type": pa.int8(),
        "size": pa.int32(),
        "indices": pa.list_(pa.int32()),
        "values": pa.list_(pa.float64()),
    }
)


def vector(values: list[Any] | None, indices: list[Any] | None = None) -> dict[str, Any] | None:
    if values is None:
        return None
    size = None if indices is None else 4
    return {"type": int(size is None), "size": size, "indices": indices, "values": values}


GOOD: dict[str, tuple[pa.DataType, Any]] = {
    "vector": (VECTOR, vector([1, 2, 3, 4])),
    "shaped": (SHAPED, {"shape": [4], "data": [1, 2, 3, 4]}),
    "tensor": (pa.binary(), np.arange(1, 5, dtype="<f4").tobytes()),
    "array": (pa.list_(pa.float64()), [1, 2, 3, 4]),
}


def found(
    data: Sequence[Any], kind: pa.DataType, feed: Feed
) -> tuple[list[list[float] | None], tuple[str | None, ...]]:
    """Return each row's flat numbers or None, and the errors; read from amid a longer array."""
    rows = read(pa.array([data[0], *data, data[-1]], kind).slice(1, len(data)), feed)
    assert rows.values.dtype == np.float32
    assert rows.values.shape == (len(rows.good), *feed.shape)
    assert sorted([*rows.errors, *rows.good]) == list(range(len(data)))
    values: list[list[float] | None] = [None] * len(data)
    for row, place in zip(rows.values, rows.good, strict=True):
        values[place] = row.ravel().tolist()
    return values, tuple(map(rows.errors.get, range(len(data))))
