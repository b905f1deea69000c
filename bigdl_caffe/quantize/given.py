"""The rows that a model is calibrated on, as feeds: a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from bigdl_caffe import feeding
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.model import Model

Array = np.ndarray[Any, Any]
Feed = Mapping[str, Array]


def feeds(
    model: Model,
    data: Any,
    rows: int | None,
    batch_size: int,
    how: Mapping[str, Any],
    labelled: bool = False,
) -> Iterator[Feed]:
    """Yield the first ``rows`` rows of ``data``, at most ``batch_size`` at a time.

    Parameters
    ----------
    data : ndarray, dict of str to ndarray, iterable of such dicts, or DataFrame
    rows : int or None
        None for all.
    how : mapping
        For a DataFrame: the options of `bigdl_caffe.spark.plan.Scoring`.
    labelled : bool
        Whether something goes by the rows' positions: then none may be left out.

    Raises
    ------
    CaffeError
        For other data, rows that cannot be fed, and no rows at all.
    """
    if feeding.is_frame(data):
        from bigdl_caffe.spark.sample import sample  # Spark only when it is used

        source = sample(model, data, rows, batch_size, how, labelled)
    elif how:
        raise CaffeError(f"{', '.join(how)}: such options are for DataFrames, or unknown")
    elif isinstance(data, Mapping):
        source = iter([data])
    elif feeding.is_spark(data):
        raise CaffeError("calibrate on a DataFrame, or on arrays: rdd.take(500), say")
    elif isinstance(data, np.ndarray) or hasattr(data, "detach") or isinstance(data, list):
        source = iter([feeding.name_arrays(data, model.net)])
    elif isinstance(data, Iterable):
        source = (_named(model, each) for each in data)
    else:
        raise CaffeError(
            f"calibration is a {type(data).__name__}: give an array of rows, a dict of blob name "
            "to array, an iterator of such dicts, or a DataFrame"
        )
    seen = 0
    for feed in _parts(source, batch_size if model.row_wise() else None, rows):
        seen += 1
        yield feeding.check_feed(feed, model.net, model.outputs, model.module.generated)
    if not seen:
        raise CaffeError("the calibration data has no rows")


def _named(model: Model, each: Any) -> Feed:
    return each if isinstance(each, Mapping) else feeding.name_arrays(each, model.net)


def _parts(source: Iterable[Feed], size: int | None, rows: int | None) -> Iterator[Feed]:
    """Yield feeds of ``size`` rows at most, ``rows`` in all; whole ones where size is None."""
    left = rows
    for feed in source:
        count = max((len(array) for array in feed.values()), default=0)
        if any(len(array) != count for array in feed.values()) and size is not None:
            lengths = {blob: len(array) for blob, array in feed.items()}
            raise CaffeError(f"calibration has inputs of different numbers of rows: {lengths}")
        count = count if left is None else min(count, left)
        step = size or max(count, 1)
        for start in range(0, count, step):
            end = min(start + step, count)
            yield {b: a[start:end] if size else a for b, a in feed.items()}
        left = None if left is None else left - count
        if left is not None and left <= 0:
            return
