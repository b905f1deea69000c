"""Arrow columns in, batch arrays out: what a column may hold, and what makes a row bad.

Spark's types and SQL functions' types are told apart by one table, on Arrow's types.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bigdl_caffe.errors import ImageError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.image.transform import Batch, Cut
from bigdl_caffe.spark import numbers, pictures

Floats = numbers.Floats
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Feed:
    """Where one input blob comes from.

    Attributes
    ----------
    blob : str
        Its Caffe name.
    column : int
        Position of the column in the Arrow batch.
    kind : str
        One of `READERS`.
    shape : Shape
        Of one row: the blob's shape without the batch axis.
    recipe : Recipe or None
        How an image becomes a row, for the kinds that hold images.
    dtype : str
        numpy's name for the numbers of a "tensor".
    """

    blob: str
    column: int
    kind: str
    shape: Shape
    recipe: Recipe | None = None
    dtype: str = "float32"


@dataclass(frozen=True)
class Rows:
    """Values of the good rows, their positions, and by its position why another is bad."""

    values: Floats
    good: Indices
    errors: Mapping[int, str]


def read(column: pa.Array, feed: Feed, cuts: Sequence[Cut] = ()) -> Rows:
    """Return the rows of ``column`` as float32 of shape ``(good rows, *feed.shape)``.

    ``cuts`` say for each row of a column of images which part is kept, by default the centre.
    """
    if cuts:
        return _images(PICTURES[feed.kind], column, feed, cuts)
    return READERS[feed.kind](column, feed)


def gather(
    batch: pa.RecordBatch, feeds: Sequence[Feed], cuts: Mapping[str, Sequence[Cut]] | None = None
) -> tuple[dict[str, Floats], Indices, dict[int, str]]:
    """Return each blob's values for the rows that are good in all of them.

    Also which rows those are, and by its position in ``batch`` why another is none, the first
    of them first. ``cuts`` are by blob.
    """
    cuts = cuts or {}
    found = [read(batch.column(feed.column), feed, cuts.get(feed.blob, ())) for feed in feeds]
    bad: set[int] = set().union(*(rows.errors for rows in found))
    good = _others(batch.num_rows, bad)
    values = {
        feed.blob: rows.values
        if len(good) == len(rows.good)
        else rows.values[np.searchsorted(rows.good, good)]
        for feed, rows in zip(feeds, found, strict=True)
    }
    reasons = {
        row: "; ".join(rows.errors[row] for rows in found if row in rows.errors)
        for row in sorted(bad)
    }
    return values, good, reasons


def _others(count: int, rows: Collection[int]) -> Indices:
    """Return the positions up to ``count`` that are not among ``rows``."""
    every: Indices = np.arange(count)
    return np.delete(every, list(rows)) if rows else every


def _numbers(read: numbers.Reader, column: pa.Array, feed: Feed) -> Rows:
    values, reasons = numbers.good_rows(column, feed.shape, read)
    errors = {row: f"{feed.blob}: {reason}" for row, reason in reasons.items()}
    return Rows(values, _others(len(column), errors), errors)


def _tensors(column: pa.Array, feed: Feed) -> Rows:
    return _numbers(partial(numbers.tensors, dtype=feed.dtype), column, feed)


def _images(
    read: Callable[..., Batch], column: pa.Array, feed: Feed, cuts: Sequence[Cut] = ()
) -> Rows:
    if feed.recipe is None:
        raise ImageError(f"blob '{feed.blob}' is fed with images: say by which recipe")
    values, good, errors = read(column, feed.recipe, cuts)
    reasons = {row: error for row, error in enumerate(errors) if error is not None}
    return Rows(values, good, reasons)


PICTURES: dict[str, Callable[..., Batch]] = {
    "encoded": pictures.encoded,
    "image": pictures.structs,
}
"""What a column of images can hold → what reads it by a recipe and cuts."""

READERS: dict[str, Callable[[pa.Array, Feed], Rows]] = {
    "array": partial(_numbers, numbers.lists),
    "vector": partial(_numbers, numbers.vectors),
    "shaped": partial(_numbers, numbers.shaped),
    "tensor": _tensors,
    **{kind: partial(_images, read) for kind, read in PICTURES.items()},
}
"""What a column can hold → its reader."""


def kind_of(kind: pa.DataType) -> str | None:
    """Return which of `READERS` columns of an Arrow type are for; None if none is.

    Binary columns are "encoded"; they can also be a "tensor", which their type does not tell.
    """
    return next((name for name, matches in _KINDS.items() if matches(kind)), None)


def depth(kind: pa.DataType) -> int:
    """Return how many lists are around a value of an Arrow type."""
    return 1 + depth(kind.value_type) if numbers.is_list(kind) else 0


_Test = Callable[[pa.DataType], bool]


def _any_of(*tests: _Test) -> _Test:
    return lambda kind: any(is_it(kind) for is_it in tests)


def _is_array(kind: pa.DataType) -> bool:
    return _is_array(kind.value_type) if numbers.is_list(kind) else _is_number(kind)


def _list_of(item: _Test) -> _Test:
    return lambda kind: numbers.is_list(kind) and item(kind.value_type)


def _struct(fields: dict[str, _Test]) -> _Test:
    """Whether a type is a struct that has each of ``fields`` once, maybe more."""

    def matches(kind: pa.DataType) -> bool:
        found = list(kind) if pa.types.is_struct(kind) else []
        return all(
            [is_it(f.type) for f in found if f.name == name] == [True]
            for name, is_it in fields.items()
        )

    return matches


_is_integer = pa.types.is_integer
_is_number = _any_of(_is_integer, pa.types.is_floating, pa.types.is_decimal)
_is_binary = _any_of(pa.types.is_binary, pa.types.is_large_binary)  # Spark has no other
_KINDS: dict[str, _Test] = {
    "encoded": _is_binary,
    "image": _struct(
        {**dict.fromkeys(["height", "width", "nChannels", "mode"], _is_integer), "data": _is_binary}
    ),
    "vector": _struct(
        {
            **dict.fromkeys(["type", "size"], _is_integer),
            "indices": _list_of(_is_integer),
            "values": _list_of(_is_number),
        }
    ),
    "shaped": _struct({"shape": _list_of(_is_integer), "data": _list_of(_is_number)}),
    "array": _is_array,
}
"""What a column can hold → which Arrow types are that."""
