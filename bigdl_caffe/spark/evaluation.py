"""How good a model is on labelled data: BigDL's validation methods, summed up by partition."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import RDD, TaskContext
from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, NumericType

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.arrow import place
from bigdl_caffe.spark.criteria import Array, Metric, chosen
from bigdl_caffe.spark.environment import Portable
from bigdl_caffe.spark.numbers import is_list
from bigdl_caffe.spark.plan import count_classes
from bigdl_caffe.spark.rdd import RddTask, is_rdd, rdd_task
from bigdl_caffe.spark.scoring import score_dataframe

if TYPE_CHECKING:
    from bigdl_caffe.model import Model

_AT_ONCE = 256
_OPTIONS = ("input_col", "feed", "recipe", "binary", "engine", "dtype")
"""What of scoring may be said of a DataFrame; the rest is what evaluation is."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluatedResult:
    """What a metric says; the fields are those of BigDL's.

    Attributes
    ----------
    result : float
        The mean over all rows that were scored; NaN if there is none.
    total_num : int
        How many those are.
    method : str
        Name of the metric.
    failed : int
        Rows that could not be scored, and are not in ``result``.
    """

    result: float
    total_num: int
    method: str
    failed: int = 0


def evaluate(
    model: Model,
    data: Any,
    *,
    batch_size: int = 32,
    metrics: str | Metric | Sequence[str | Metric] = ("top1",),
    label_col: str = "label",
    fetch: str | None = None,
    **how: Any,
) -> list[EvaluatedResult]:
    """Evaluate ``model``; `Model.evaluate` says how."""
    if others := [name for name in how if name not in _OPTIONS]:
        raise CaffeError(f"evaluate does not take {', '.join(others)}, but {', '.join(_OPTIONS)}")
    (blob,) = _one(model.check_fetch(None if fetch is None else [fetch]))
    judges = chosen(metrics, model, blob)
    if any(judge.classes for judge in judges):
        count_classes(model, blob)
    if is_rdd(data):
        if how.keys() - {"engine"} or label_col != "label":
            raise CaffeError("label_col and the options of scoring are for DataFrames only")
        sums = _of_rdd(data, rdd_task(model, batch_size, [blob], **how), judges)
    else:
        sums = _of_dataframe(model, data, blob, judges, label_col, batch_size=batch_size, **how)
    return _results(sums, judges)


def _one(blobs: Sequence[str]) -> Sequence[str]:
    if len(blobs) != 1:
        raise CaffeError(
            f"the net has outputs {', '.join(blobs)}: say which is judged, by fetch='...'"
        )
    return blobs


@dataclass
class Sums:
    """What the rows of a partition come to.

    Attributes
    ----------
    values : list of float
        Sum of each metric over the rows.
    rows, failed : int
        Rows that were judged, and rows that could not be scored.
    """

    judges: Sequence[Metric]
    partition: int
    rows: int = 0
    failed: int = 0
    values: list[float] = field(default_factory=list)

    def add(self, outputs: Array, labels: Array, places: Array) -> None:
        """Add rows of the output, their labels and their places in the partition."""
        outputs = np.asarray(outputs, np.float64).reshape(len(labels), -1)
        labels = labels.reshape(len(labels), -1)
        if any(judge.classes for judge in self.judges):
            self._check(labels, outputs.shape[1], places)
        found = [float(judge.of(outputs, labels).sum()) for judge in self.judges]
        self.values = [a + b for a, b in zip(self.values or [0.0] * len(found), found, strict=True)]
        self.rows += len(labels)

    def _check(self, labels: Array, classes: int, places: Array) -> None:
        """Raise `CaffeError` for a label that is none of the classes."""
        known = labels.shape[1] == 1 and (labels == np.floor(labels)) & (labels >= 0)
        good = np.broadcast_to(known & (labels < classes), labels.shape).all(1)
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            raise CaffeError(
                f"row {places[row]} of partition {self.partition} has the label "
                f"{', '.join(f'{label:g}' for label in labels[row])}: there are {classes} classes, "
                f"which are counted from 0 to {classes - 1}"
            )


def _results(sums: Sequence[Sums], judges: Sequence[Metric]) -> list[EvaluatedResult]:
    rows, failed = (sum(getattr(part, name) for part in sums) for name in ("rows", "failed"))
    if failed:
        _log.warning("%d of %d rows could not be scored and are not judged", failed, rows + failed)
    totals = [math.fsum(values) for values in zip(*(s.values for s in sums if s.rows), strict=True)]
    return [
        EvaluatedResult(total / rows if rows else math.nan, rows, judge.name, failed)
        for total, judge in zip(totals or [0.0] * len(judges), judges, strict=True)
    ]


# --- RDDs -----------------------------------------------------------------------------


def _of_rdd(rdd: RDD[Any], task: RddTask, judges: Sequence[Metric]) -> list[Sums]:
    def judged(partition: Iterable[Any]) -> Iterator[Sums]:
        sums = Sums(judges, _partition())
        left = task(_pairs(partition, sums.partition), lambda pair: pair[0])
        while held := list(islice(left, _AT_ONCE)):
            labels = [np.asarray(label, np.float64) for (_, label), _ in held]
            places = np.arange(sums.rows, sums.rows + len(held))
            sums.add(np.stack([row for _, (row,) in held]), np.stack(labels), places)
        yield sums

    return rdd.mapPartitions(Portable(judged)).collect()


def _pairs(elements: Iterable[Any], partition: int) -> Iterator[Any]:
    for row, element in enumerate(elements):
        if not isinstance(element, tuple) or len(element) != 2:
            raise CaffeError(
                f"row {row} of partition {partition} is a {type(element).__name__}: give tuples "
                "(features, label)"
            )
        yield element


def _partition() -> int:
    context = TaskContext.get()
    return context.partitionId() if context else 0


# --- DataFrames -----------------------------------------------------------------------


def _of_dataframe(
    model: Model, df: DataFrame, blob: str, judges: Sequence[Metric], label_col: str, **how: Any
) -> list[Sums]:
    if label_col not in df.columns:
        raise CaffeError(
            f"there is no column '{label_col}' to judge by: name the labels' by label_col; the "
            f"columns are {', '.join(df.columns)}"
        )
    if not isinstance(df.schema[label_col].dataType, NumericType | ArrayType):
        raise CaffeError(f"the labels in '{label_col}' are no numbers: cast the column")
    output, error = (_unused(df.columns, name) for name in ("output", "error"))
    scored = score_dataframe(model, df, fetch={blob: output}, error_col=error, **how)
    wanted = [scored.columns.index(name) for name in (label_col, output, error)]
    plain = scored.toDF(*map(place, range(len(scored.columns)))).select(*map(place, wanted))
    found = plain.mapInArrow(
        Portable(partial(_judge, judges)), "values array<double>, rows bigint, failed bigint"
    )
    return [Sums(judges, 0, row.rows, row.failed, row.values) for row in found.collect()]


def _unused(names: Sequence[str], name: str) -> str:
    known = {name.lower() for name in names}
    return next(new for n in count() if (new := f"{name}{n or ''}") not in known)


def _judge(judges: Sequence[Metric], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give one row of sums for a partition of labels, outputs and errors."""
    sums = Sums(judges, _partition())
    for batch in batches:
        labels, outputs, errors = batch.columns
        good = errors.is_null()
        places = sums.rows + sums.failed + np.flatnonzero(good)
        sums.failed += len(good) - len(places)
        if len(places):
            sums.add(_dense(outputs.filter(good)), _dense(labels.filter(good)), places)
    made = ([sums.values], [sums.rows], [sums.failed])
    types = (pa.list_(pa.float64()), pa.int64(), pa.int64())
    arrays = [pa.array(value, kind) for value, kind in zip(made, types, strict=True)]
    yield pa.RecordBatch.from_arrays(arrays, ["values", "rows", "failed"])


def _dense(column: pa.Array) -> Array:
    """Return numbers, or lists of as many numbers each, with a row for each."""
    rows = len(column)
    while is_list(column.type):
        if column.null_count or len(pc.unique(pc.list_value_length(column))) > 1:
            raise CaffeError(
                "the outputs or labels are null, or of different numbers of values: leave out "
                "such rows before they are judged"
            )
        column = column.flatten()
    numbers: Array = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return numbers.reshape(rows, -1)
