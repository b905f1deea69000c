"""Blobs to Arrow columns: the kinds of column that a model's output can become."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bigdl_caffe.graph.ir import Shape

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Output:
    """A blob to fetch, and the column it becomes.

    Attributes
    ----------
    blob, column : str
        Names.
    kind : str
        One of `BUILDERS`.
    top : int
        For "top": how many classes.
    labels : tuple of str
        For "top": names of the classes, or nothing.
    """

    blob: str
    column: str
    kind: str = "array"
    top: int = 0
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """What the model made of the good rows of a batch, for one blob.

    Attributes
    ----------
    parts : sequence of ndarray
        float32, each (rows, values of a row), one a run of the model.
    shapes : sequence of Shape
        Of a row, one a part.
    valid : ndarray of bool
        Which rows of the batch are good.
    """

    parts: Sequence[Floats]
    shapes: Sequence[Shape]
    valid: Mask

    @property
    def flat(self) -> Floats:
        """All numbers of all good rows."""
        flat = [part.reshape(-1) for part in self.parts] or [np.empty(0, np.float32)]
        return flat[0] if len(flat) == 1 else np.concatenate(flat)

    def offsets(self, sizes: Sequence[int]) -> npt.NDArray[np.int32]:
        """Return where each row's values begin, and the last ends; ``sizes``: of a part's rows."""
        rows = [len(part) for part in self.parts]
        ends = np.zeros(len(self.valid) + 1, np.int32)
        ends[1:][self.valid] = np.repeat(np.array(sizes, np.int32), rows)
        return ends.cumsum(dtype=np.int32)

    @property
    def nulls(self) -> pa.Array | None:
        """Which rows are null, as Arrow takes it."""
        return None if self.valid.all() else pa.array(~self.valid)

    def lists(self, kind: type[np.generic] = np.float32) -> pa.ListArray:
        """Return the rows as lists of numbers, null where a row is bad."""
        offsets = self.offsets([part.shape[1] for part in self.parts])
        values = self.flat.astype(kind, copy=False)
        return pa.ListArray.from_arrays(offsets, values, mask=self.nulls)

    def each(self, values: Sequence[npt.NDArray[Any]], kind: Any) -> pa.Array:
        """Return one value a row, of arrays with one a good row."""
        column = np.zeros(len(self.valid), kind)
        column[self.valid] = np.concatenate([*values, np.empty(0, kind)])
        return pa.array(column, mask=~self.valid)


def made(parts: Sequence[Floats], row_wise: bool, valid: Mask) -> Made:
    """Return `Made` of whole blobs: with a row for each row, or not ``row_wise``, each of one."""
    blobs = [np.asarray(part, np.float32) for part in parts]
    rows = [blob if row_wise else blob[None] for blob in blobs]
    return Made([r.reshape(len(r), -1) for r in rows], [r.shape[1:] for r in rows], valid)


def _array(made: Made, output: Output) -> pa.Array:
    return made.lists()


def _float(made: Made, output: Output) -> pa.Array:
    return made.each([part[:, 0] for part in made.parts], np.float32)


def _vector(made: Made, output: Output) -> pa.Array:
    """Return Spark ML's dense vectors, as VectorUDT stores them."""
    rows = len(made.valid)
    fields = {
        "type": pa.array(np.ones(rows, np.int8)),
        "size": pa.nulls(rows, pa.int32()),
        "indices": pa.nulls(rows, pa.list_(pa.int32())),
        "values": made.lists(np.float64),
    }
    return _struct(fields, made)


def _binary(made: Made, output: Output) -> pa.Array:
    """Return each row's numbers as they lie in memory, little-endian."""
    offsets = made.offsets([part.shape[1] * 4 for part in made.parts])
    buffers = [_bits(made.valid), pa.py_buffer(offsets), pa.py_buffer(made.flat.astype("<f4"))]
    return pa.Array.from_buffers(pa.binary(), len(made.valid), buffers)


def _tensor(made: Made, output: Output) -> pa.Array:
    offsets = made.offsets([len(shape) for shape in made.shapes])
    sizes = [np.tile(s, len(p)) for s, p in zip(made.shapes, made.parts, strict=True)]
    flat = np.concatenate([*sizes, np.empty(0)]).astype(np.int32)
    shapes = pa.ListArray.from_arrays(offsets, flat)
    return _struct({"shape": shapes, "data": made.lists()}, made)


def _class(made: Made, output: Output) -> pa.Array:
    return made.each([part.argmax(1) for part in made.parts], np.int32)


def _prediction(made: Made, output: Output) -> pa.Array:
    return made.each([part.argmax(1) for part in made.parts], np.float64)


def _top(made: Made, output: Output) -> pa.Array:
    """Return the best classes: of equals, those of lower number first."""
    orders = [_best(part, output.top) for part in made.parts]
    scores = [np.take_along_axis(p, o, 1) for p, o in zip(made.parts, orders, strict=True)]
    classes = np.concatenate([*(o.reshape(-1) for o in orders), np.empty(0, np.int64)])
    values = np.concatenate([*(s.reshape(-1) for s in scores), np.empty(0, np.float32)])
    fields = {"class": pa.array(classes.astype(np.int32)), "score": pa.array(values)}
    if output.labels:
        fields["label"] = pa.array(output.labels, pa.string()).take(pa.array(classes))
    entries = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    offsets = made.offsets([order.shape[1] for order in orders])
    return pa.ListArray.from_arrays(offsets, entries, mask=made.nulls)


def _best(part: Floats, top: int) -> npt.NDArray[np.int64]:
    """Return where each row's largest numbers are, in the order that argmax has for the first.

    Of equals the earlier is the larger, and NaN is larger than all.
    """
    ascending = np.argsort(part[:, ::-1], axis=1, kind="stable")
    best: npt.NDArray[np.int64] = part.shape[1] - 1 - ascending[:, : -top - 1 : -1]
    return best


def _struct(fields: dict[str, pa.Array], made: Made) -> pa.StructArray:
    return pa.StructArray.from_arrays(list(fields.values()), list(fields), mask=made.nulls)


def _bits(valid: Mask) -> pa.Buffer:
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


BUILDERS: dict[str, Callable[[Made, Output], pa.Array]] = {
    "array": _array,
    "float": _float,
    "vector": _vector,
    "binary": _binary,
    "struct": _tensor,
    "class": _class,
    "prediction": _prediction,
    "top": _top,
}
"""Kind of a column → what builds it."""


def column(output: Output, made: Made) -> pa.Array:
    """Return one output for all rows of a batch, null where a row is bad."""
    return BUILDERS[output.kind](made, output)
