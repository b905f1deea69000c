"""A comparison as a table that a person reads."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from bigdl_caffe.graph.summary import format_row, format_shape

if TYPE_CHECKING:
    from bigdl_caffe.verify.comparison import Comparison, Row

HEADER = ("", "layer", "type", "blob", "shape", "difference", "at", "in A", "in B")
RIGHT = {5, 7, 8}
MARK = ">"
"""Stands before the rows that depart."""


def table(comparison: Comparison) -> str:
    """Return the table: a row for each value, then the verdict and what was not compared."""
    rows = [_row(row) for row in comparison.rows]
    widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
    line = "-" * (sum(widths) + 2 * (len(widths) - 1))
    body = [format_row(row, widths, RIGHT) for row in (HEADER, *rows)]
    compared = {row.blob for row in comparison.rows}
    others = [
        f"not compared, only in {side}: {_others(names, compared)}"
        for side, names in (("A", comparison.only_a), ("B", comparison.only_b))
        if names
    ]
    return "\n".join([line, body[0], line, *body[1:], line, verdict(comparison), *others])


def verdict(comparison: Comparison) -> str:
    """Return in one sentence whether the two are equal, or where they part."""
    count, told = len(comparison.rows), f"{comparison.tolerance:g}"
    if comparison.equal:
        worst = max(comparison.rows, key=lambda row: row.error)
        return (
            f"equal: all {count} values within {told} of their largest magnitude; the largest "
            f"difference is {worst.error:.2g}, of '{worst.blob}' (layer '{worst.layer}')"
        )
    row = comparison.departures[0]
    return (
        f"different: they part at layer '{row.layer}' ({row.type}), blob '{row.blob}': "
        f"{describe(row)}; {len(comparison.departures)} of {count} values are over {told}"
    )


def describe(row: Row) -> str:
    """Return how the two sides of ``row`` differ."""
    if row.shape != row.other_shape:
        return f"shape {format_shape(row.shape)} in A, {format_shape(row.other_shape)} in B"
    if row.nans:
        return f"{row.nans} elements are NaN or infinite in one and not in the other"
    return f"{row.error:.2g} of the largest magnitude"


def few(names: Sequence[str], most: int = 8) -> str:
    """Return the first of ``names``, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "nothing") + more


def _others(names: Sequence[str], compared: Collection[str]) -> str:
    """Return ``names``, those of inner values of compared blobs as their number alone."""
    inner = [name for name in names if name.rpartition("~")[0] in compared]
    told = few([name for name in names if name not in inner]) if len(names) > len(inner) else ""
    more = f"{len(inner)} of what compared blobs hold before their end" if inner else ""
    return "; ".join(filter(None, (told, more)))


def _row(row: Row) -> tuple[str, ...]:
    mark = MARK if row.departs else ""
    what = (mark, row.layer, row.type, row.blob, format_shape(row.shape))
    if row.shape != row.other_shape:
        return (*what, "shape", "", "", format_shape(row.other_shape))
    error = f"{row.nans} NaN" if row.nans else f"{row.error:.2g}"
    if row.index is None:
        return (*what, error, "", "", "")
    return (*what, error, ",".join(map(str, row.index)), f"{row.a:.6g}", f"{row.b:.6g}")
