"""Arrow columns of numbers as float32 arrays: lists, Spark ML vectors, raw tensors.

Each reader takes rows and the shape of one, and returns ``(rows, *shape)``, or raises
`BadRowError` if any of the rows is bad; which one it is, `good_rows` finds out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bigdl_caffe.graph.ir import Shape

Floats = npt.NDArray[np.float32]
Reader = Callable[[pa.Array, Shape], Floats]

NULL = "is null, or holds a null"
_DENSE, _SPARSE = 1, 0
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


class BadRowError(ValueError):
    """Rows of which at least one cannot be an input; says why."""


def good_rows(column: pa.Array, shape: Shape, read: Reader) -> tuple[Floats, list[str | None]]:
    """Return the good rows' values, and for each row why it is bad, or None.

    All rows are read at once; where that finds a bad one, each half by itself, and so on.
    """
    valid = np.flatnonzero(column.is_valid())
    errors: list[str | None] = [NULL] * len(column)
    parts = [np.empty((0, *shape), np.float32)]
    todo = [(column.drop_null() if column.null_count else column, 0)]
    while todo:
        rows, start = todo.pop()
        half = len(rows) // 2
        try:
            parts.append(read(rows, shape))
            reason = None
        except BadRowError as error:
            if half:
                todo += [(rows.slice(half), start + half), (rows.slice(0, half), start)]
                continue
            reason = str(error)
        for row in valid[start : start + len(rows)]:
            errors[row] = reason
    return (parts[1] if len(parts) == 2 else np.concatenate(parts)), errors


def lists(column: pa.Array, shape: Shape) -> Floats:
    """Return numbers, or (nested) lists of them; no copy if they are float32."""
    rows = len(column)
    found: list[int] = []
    while is_list(column.type):
        refuse_nulls(column)
        lengths = pc.unique(pc.list_value_length(column))
        if len(lengths) > 1:
            raise BadRowError("its lists have different lengths")
        found.append(lengths[0].as_py() if len(lengths) else 0)
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
    refuse_nulls(column)
    found = {tuple(row or [None]) for row in pc.struct_field(column, "shape").to_pylist()}
    if any(None in sizes for sizes in found):
        raise BadRowError(NULL)
    for sizes in found:
        _check_shape(sizes, shape)
    return lists(pc.struct_field(column, "data"), shape)


def vectors(column: pa.Array, shape: Shape) -> Floats:
    """Return Spark ML vectors, dense and sparse.

    They are checked: a file can hold vectors that Spark's own classes would refuse.
    """
    kinds = pc.struct_field(column, "type")
    refuse_nulls(kinds)
    dense = pc.equal(kinds, _DENSE)
    if not pc.all(pc.or_(dense, pc.equal(kinds, _SPARSE)), min_count=0).as_py():
        raise BadRowError("is a vector of a type that is neither 0 (sparse) nor 1 (dense)")
    if pc.all(dense, min_count=0).as_py():
        return lists(pc.struct_field(column, "values"), shape)
    out = np.zeros((len(column), prod(shape)), np.float32)
    is_dense = dense.to_numpy(zero_copy_only=False)
    out[is_dense] = lists(pc.struct_field(column.filter(dense), "values"), (prod(shape),))
    _fill_sparse(column.filter(pc.invert(dense)), np.flatnonzero(~is_dense), out)
    return out.reshape(-1, *shape)


def _fill_sparse(column: pa.Array, rows: npt.NDArray[np.intp], out: Floats) -> None:
    """Write sparse vectors into those ``rows`` of ``out``."""
    length = out.shape[1]
    sizes, indices, values = (
        pc.struct_field(column, name) for name in ("size", "indices", "values")
    )
    if not pc.all(pc.fill_null(pc.equal(sizes, length), False)).as_py():
        raise BadRowError(f"has the shape {sizes[0]}, not {length}")
    for field in (indices, values):
        refuse_nulls(field)
        refuse_nulls(field.flatten())
    counts = pc.list_value_length(indices)
    places = indices.flatten().to_numpy()
    within = (places >= 0) & (places < length)
    flat = np.repeat(rows * length, counts.to_numpy()) + places
    ascending = (np.diff(flat) > 0).all()  # in one row, as the rows themselves ascend
    if not (counts.equals(pc.list_value_length(values)) and within.all() and ascending):
        raise BadRowError(
            f"is sparse, and its indices are not one a value, ascending, below {length}"
        )
    out.reshape(-1)[flat] = _floats(values.flatten())


def tensors(column: pa.Array, shape: Shape, dtype: str = "float32") -> Floats:
    """Return a large_binary column's numbers of type ``dtype``, little-endian, row-major.

    No copy if they are float32.
    """
    refuse_nulls(column)
    offsets, data = _buffers(column)
    kind = np.dtype(dtype).newbyteorder("<")
    wanted = prod(shape) * kind.itemsize
    if (wrong := np.diff(offsets) != wanted).any():
        raise BadRowError(
            f"holds {np.diff(offsets)[wrong][0]} bytes, not the {wanted} of {words(shape)} "
            f"numbers of {dtype}"
        )
    values = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]].view(kind)
    return _single(values).reshape(len(column), *shape)


def _buffers(column: pa.Array) -> tuple[npt.NDArray[np.int64], pa.Buffer]:
    """Return where a large_binary column's values begin, and the last ends, in which bytes."""
    _, starts, data = column.buffers()
    if not len(column):
        return np.zeros(1, np.int64), data
    return np.frombuffer(starts, np.int64)[column.offset :][: len(column) + 1], data


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
