"""Arrow columns of numbers as float32 arrays: lists, Spark ML vectors, raw tensors.

Each reader takes rows and the shape of one, and returns ``(rows, *shape)``, or raises
`BadRowError` if any of the rows is bad; which one it is, `good_rows` finds out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bigdl_caffe.graph.ir import Shape

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.integer]
Reader = Callable[[pa.Array, Shape], Floats]

NULL = "is null, or holds a null"
_DENSE, _SPARSE = 1, 0
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_WIDE = (pa.types.is_large_list, pa.types.is_large_binary)


class BadRowError(ValueError):
    """Rows of which at least one cannot be an input; says why."""


def good_rows(column: pa.Array, shape: Shape, read: Reader) -> tuple[Floats, dict[int, str]]:
    """Return the good rows' values, and why each of the others, by its position, is bad.

    All rows are read at once; where that finds a bad one, each half by itself, and so on.
    """
    places: Sequence[int] | npt.NDArray[np.intp] = range(len(column))
    errors: dict[int, str] = {}
    if column.null_count:
        is_null = column.is_null().to_numpy(zero_copy_only=False)
        errors = dict.fromkeys(np.flatnonzero(is_null).tolist(), NULL)
        places, column = np.flatnonzero(~is_null), column.drop_null()
    parts = [np.empty((0, *shape), np.float32)]
    todo = [(column, 0)] if len(column) else []
    while todo:
        rows, start = todo.pop()
        half = len(rows) // 2
        try:
            parts.append(read(rows, shape))
        except BadRowError as error:
            if half:
                todo += [(rows.slice(half), start + half), (rows.slice(0, half), start)]
            else:
                errors[int(places[start])] = str(error)
    return (parts[1] if len(parts) == 2 else np.concatenate(parts)), errors


def lists(column: pa.Array, shape: Shape) -> Floats:
    """Return numbers, or (nested) lists of them; no copy if they are float32."""
    rows = len(column)
    found: list[int] = []
    while is_list(column.type):
        refuse_nulls(column)
        counts = _counts(column)
        if (counts != counts[:1]).any():
            raise BadRowError("its lists have different lengths")
        found.append(int(counts[0]) if len(counts) else 0)
        column = column.flatten()
    refuse_nulls(column)
    if rows:
        _check_shape(found, shape)
    return _floats(column).reshape(rows, *shape)


def is_list(kind: pa.DataType) -> bool:
    """Whether Arrow's type is a list of any sort."""
    return any(is_it(kind) for is_it in _LISTS)


def shaped(column: pa.Array, shape: Shape) -> Floats:
    """Return structs of ``shape`` and ``data``, the numbers in row-major order."""
    for sizes in _distinct(column.field("shape")):
        _check_shape(sizes, shape)
    return lists(column.field("data"), shape)


def _distinct(shapes: pa.Array) -> Iterator[Sequence[int]]:
    """Yield each shape that there is in a column of lists, once at least."""
    refuse_nulls(shapes)
    counts, sizes = _counts(shapes), shapes.flatten()
    refuse_nulls(sizes)
    flat, begins = sizes.to_numpy(), np.cumsum(counts) - counts
    if (counts == counts[:1]).all():
        groups = [flat.reshape(len(counts), -1)] if len(flat) else [flat[None]]
    else:
        groups = [flat[begins[counts == n, None] + np.arange(n)] for n in np.unique(counts)]
    for found in groups:
        yield from (found[:1] if (found == found[:1]).all() else np.unique(found, axis=0)).tolist()


def vectors(column: pa.Array, shape: Shape) -> Floats:
    """Return Spark ML vectors, dense and sparse.

    They are checked: a file can hold vectors that Spark's own classes would refuse.
    """
    refuse_nulls(column.field("type"))
    kinds = column.field("type").to_numpy()
    dense = kinds == _DENSE
    if not (dense | (kinds == _SPARSE)).all():
        raise BadRowError("is a vector of a type that is neither 0 (sparse) nor 1 (dense)")
    if dense.all():
        return lists(column.field("values"), shape)
    out = np.zeros((len(column), prod(shape)), np.float32)
    out[dense] = lists(column.filter(pa.array(dense)).field("values"), (prod(shape),))
    _fill_sparse(column.filter(pa.array(~dense)), np.flatnonzero(~dense), out)
    return out.reshape(-1, *shape)


def _fill_sparse(column: pa.Array, rows: npt.NDArray[np.intp], out: Floats) -> None:
    """Write sparse vectors into those ``rows`` of ``out``."""
    length = out.shape[1]
    sizes, indices, values = (column.field(name) for name in ("size", "indices", "values"))
    if sizes.null_count or (sizes.to_numpy() != length).any():
        raise BadRowError(f"has the shape {sizes[0]}, not {length}")
    for field in (indices, values):
        refuse_nulls(field)
        refuse_nulls(field.flatten())
    counts = _counts(indices)
    places = indices.flatten().to_numpy()
    within = (places >= 0) & (places < length)
    flat = np.repeat(rows * length, counts) + places
    ascending = (np.diff(flat) > 0).all()  # in one row, as the rows themselves ascend
    if not (np.array_equal(counts, _counts(values)) and within.all() and ascending):
        raise BadRowError(
            f"is sparse, and its indices are not one a value, ascending, below {length}"
        )
    out.reshape(-1)[flat] = _floats(values.flatten())


def tensors(column: pa.Array, shape: Shape, dtype: str = "float32") -> Floats:
    """Return a binary column's numbers of type ``dtype``, little-endian, row-major.

    No copy if they are float32.
    """
    refuse_nulls(column)
    kind, offsets = np.dtype(dtype).newbyteorder("<"), _offsets(column)
    wanted, counts = prod(shape) * kind.itemsize, np.diff(offsets)
    if (wrong := counts != wanted).any():
        raise BadRowError(
            f"holds {counts[wrong][0]} bytes, not the {wanted} of {words(shape)} numbers of {dtype}"
        )
    data = np.frombuffer(column.buffers()[2], np.uint8)
    values = data[offsets[0] : offsets[-1]].view(kind)
    return _single(values).reshape(len(column), *shape)


def _counts(column: pa.Array) -> Counts:
    """Return the length of each list of a column that has no null."""
    if pa.types.is_fixed_size_list(column.type):
        return np.full(len(column), column.type.list_size)
    return np.diff(_offsets(column))


def _offsets(column: pa.Array) -> Counts:
    """Return where each list, or value of bytes, begins, and where the last ends."""
    if not len(column):  # such may have no buffers
        return np.zeros(1, np.int64)
    kind = np.int64 if any(is_it(column.type) for is_it in _WIDE) else np.int32
    return np.frombuffer(column.buffers()[1], kind)[column.offset :][: len(column) + 1]


def _floats(column: pa.Array) -> Floats:
    if pa.types.is_decimal(column.type):  # which numpy has only as objects
        column = column.cast(pa.float64())
    return _single(column.to_numpy(zero_copy_only=False))


def _single(values: npt.NDArray[np.generic]) -> Floats:
    with np.errstate(over="raise"):
        try:
            return np.require(values, np.float32, "A")  # bytes may begin anywhere
        except FloatingPointError as error:
            raise BadRowError("holds a number that is too large for float32") from error


def refuse_nulls(column: pa.Array) -> None:
    """Raise `BadRowError` if there is a null."""
    if column.null_count:
        raise BadRowError(NULL)


def _check_shape(found: Sequence[int], shape: Shape) -> None:
    """Refuse nested lists that are no array of ``shape``; a flat list is one in row-major order."""
    flat = len(found) == 1 and found[0] == prod(shape)
    if not flat and [n for n in found if n != 1] != [n for n in shape if n != 1]:
        raise BadRowError(f"has the shape {words(found)}, not {words(shape)}")


def words(shape: Sequence[int]) -> str:
    """Return a shape as people write it."""
    return "×".join(map(str, shape)) or "of one number"
