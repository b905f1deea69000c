"""Models as functions of Spark SQL: ``SELECT caffe(image) FROM t``."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import SparkSession
from pyspark.sql.types import BinaryType, DataType, StructField, StructType

from bigdl_caffe.engine.opening import sent
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.arrow import limit_rows
from bigdl_caffe.spark.batches import ScoreJob, score_batches
from bigdl_caffe.spark.columns import Feed
from bigdl_caffe.spark.feeds import make_feed
from bigdl_caffe.spark.metrics import Tally
from bigdl_caffe.spark.plan import Plan, Scoring, plan
from bigdl_caffe.spark.ship import ship
from bigdl_caffe.spark.vectorized import HAS_ARROW, Columns, vectorized
from bigdl_caffe.spark.ways import Shipped
from bigdl_caffe.spark.worker import engine, pickle_converters, prepare, sharing, threads

if TYPE_CHECKING:
    from bigdl_caffe.image.recipe import Recipe
    from bigdl_caffe.model import Model

ON_ERROR = ("null", "struct", "fail")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_log = logging.getLogger(__name__)


def register_udf(
    spark: SparkSession,
    name: str,
    model: Model,
    fetch: str | Sequence[str] | Mapping[str, str] | None = None,
    *,
    output_type: str = "array",
    top_k: int = 0,
    labels: Sequence[str] = (),
    on_error: str = "null",
    batch_size: int = 32,
    recipe: Recipe | None = None,
    binary: str | Mapping[str, str] = "auto",
    engine: str = "torch",
    dtype: str = "float32",
) -> Any:
    """Make ``model`` a function of Spark SQL, for as long as the session lasts.

    Its arguments are the net's inputs, in the order of ``model.inputs``. Each may be anything
    that the columns of a DataFrame may be; what, is seen when the function is called.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect. In all of the session's languages the function can be called.
    name : str
        Of the function: letters, digits and underscores. A function of that name is replaced.
    model : Model
        Sent to the executors now. What is done to it later does not change the function, but
        its ``release()`` ends it.
    fetch : str, sequence of str, or mapping of str to str, optional
        The blob that the function returns; the net's outputs by default. Of several, a struct
        with a field for each, named as the blob or as the mapping says.
    output_type : {"array", "vector", "binary", "struct", "class"}
        What a blob becomes, as `bigdl_caffe.spark.plan.Scoring` has it (a blob of one number
        a row is a float, not an array); or "class", the position of its largest number.
        "vector" takes Spark 4.1.
    top_k : int
        Return, instead, so many of the blob's best classes, the best first: an array of
        struct (class, score, label if there are labels).
    labels : sequence of str
        Names of the classes.
    on_error : {"null", "struct", "fail"}
        What comes of a row that cannot be scored: null, and the count and reasons in the
        worker's log; a struct of the blobs and ``error``, null or the reason, of every row;
        or an error that ends the query.
    batch_size, recipe, binary, engine, dtype
        As `Scoring` has them.

    Returns
    -------
    callable
        The function for DataFrames: takes columns, or their names, and returns a column.

    Raises
    ------
    CaffeError
        For a name, blobs or options that cannot work. In a query: for the wrong number of
        arguments, for an argument that cannot be that input, and as ``on_error`` says.
    """
    _check(name, output_type, top_k, on_error)
    scoring = Scoring(
        batch_size=batch_size,
        recipe=recipe,
        binary=binary,
        engine=engine,
        dtype=dtype,
        top_k=top_k,
        labels=labels,
    )
    planned = _plan(model, replace(scoring, **_wanted(model, fetch, output_type, top_k)))
    function = SqlFunction(
        name,
        planned.job,
        tuple(field.name for field in planned.added),
        on_error,
        ship(spark, sent(model, planned.job.engine, planned.job.fetch)),
        pickle_converters(model),
    )
    limit_rows(spark, model.inputs)
    return spark.udf.register(name, vectorized(function, _type(planned, on_error)))


def _check(name: str, output_type: str, top_k: int, on_error: str) -> None:
    problems = []
    if not _NAME.fullmatch(name):
        problems.append(
            f"a SQL function cannot be named '{name}': use letters, digits and underscores, "
            "and no digit first"
        )
    if on_error not in ON_ERROR:
        problems.append(f"on_error is '{on_error}': give one of {', '.join(ON_ERROR)}")
    if top_k and output_type != "array":
        problems.append(f"top_k asks for classes: leave out output_type='{output_type}'")
    if output_type == "vector" and not HAS_ARROW:
        problems.append(
            "output_type is 'vector', which functions return from Spark 4.1 on: return arrays, "
            "and make vectors of them by pyspark.ml.functions.array_to_vector"
        )
    if problems:
        raise CaffeError(*problems)


def _wanted(
    model: Model,
    fetch: str | Sequence[str] | Mapping[str, str] | None,
    output_type: str,
    top_k: int,
) -> dict[str, Any]:
    """Return the options that say which blobs become what."""
    fetch = [fetch] if isinstance(fetch, str) else fetch
    if not top_k and output_type != "class":
        return {"fetch": fetch, "output_type": output_type}
    blobs = model.check_fetch(None if fetch is None else tuple(fetch))
    if len(blobs) != 1:
        raise CaffeError(f"classes are one blob's, of {', '.join(blobs)}: name it by fetch")
    judged = {"fetch": (), "classes_of": blobs[0]}
    return judged if top_k else {**judged, "prediction_col": "class", "prediction_type": "int"}


def _plan(model: Model, scoring: Scoring) -> Plan:
    """Plan for binary arguments, which every input takes; what they are is seen in a query."""
    names = {blob: f"argument {i}" for i, blob in enumerate(model.inputs, 1)}
    schema = StructType([StructField(name, BinaryType()) for name in names.values()])
    return plan(model, schema, replace(scoring, feed=names))


def _type(planned: Plan, on_error: str) -> DataType:
    *outputs, _ = planned.added
    if on_error == "struct":
        return StructType([*planned.added])
    return outputs[0].dataType if len(outputs) == 1 else StructType(outputs)


@dataclass(frozen=True)
class SqlFunction:
    """What a worker calls for the rows of a partition.

    Attributes
    ----------
    job : ScoreJob
        Its feeds are for binary arguments.
    fields : tuple of str
        Names of the outputs and of the error.
    """

    name: str
    job: ScoreJob
    fields: tuple[str, ...]
    on_error: str
    shipped: Shipped
    converters: bytes

    def __call__(self, calls: Iterator[Columns]) -> Iterator[pa.Array]:
        """Score the arguments of many calls at a time."""
        context = TaskContext.get()
        model = prepare(context, self.shipped, self.converters, self.job.dtype)
        opening = self.job.opening(model, **sharing(self.shipped, self.converters))
        run = engine(model, self.job.engine, opening)
        tally, at_once, done = Tally(), threads(context, model), 0
        batches = (self._batch(model, columns) for columns in calls)
        for schema, alike in groupby(batches, lambda batch: batch.schema):  # pandas may change it
            job = replace(self.job, feeds=self._feeds(model, schema))
            with closing(score_batches(alike, job, model, 0, tally, run, at_once)) as scored:
                for batch in scored:
                    outputs = batch.columns[len(schema) :]
                    self._check_errors(outputs[-1], done)
                    done += batch.num_rows
                    yield self._result(outputs)
        if tally.failed and self.on_error == "null":
            counts = tally.failed, tally.rows, dict(tally.reasons)
            _log.warning("%s() is null for %d of %d rows: %s", self.name, *counts)

    def _batch(self, model: Model, columns: Columns) -> pa.RecordBatch:
        """Return the arguments of a call by the names of the inputs."""
        if len(columns) != len(self.job.feeds):
            names = ", ".join(model.inputs)
            raise CaffeError(f"{self.name}({names}) was called with {len(columns)} arguments")
        arrays = [c.cast(pa.binary()) if pa.types.is_null(c.type) else c for c in columns]
        return pa.RecordBatch.from_arrays(arrays, [feed.blob for feed in self.job.feeds])

    def _feeds(self, model: Model, schema: pa.Schema) -> tuple[Feed, ...]:
        """Return what is done to the arguments, from what they turn out to be."""
        return tuple(
            self._feed(model, *pair) for pair in zip(self.job.feeds, schema.types, strict=True)
        )

    def _feed(self, model: Model, feed: Feed, kind: pa.DataType) -> Feed:
        binary = feed.dtype if feed.kind == "tensor" else "image"
        said = f"argument {feed.column + 1} of {self.name}() is {kind}"
        return make_feed(model, feed.blob, feed.column, kind, feed.recipe, binary, said)

    def _check_errors(self, errors: pa.Array, done: int) -> None:
        if self.on_error == "fail" and errors.null_count < len(errors):
            row = errors.is_valid().index(True).as_py()
            raise CaffeError(
                f"{self.name}(): {errors[row]}; that is row {done + row} of those that a task was "
                "given. on_error='null' or 'struct' would go on"
            )

    def _result(self, outputs: list[pa.Array]) -> pa.Array:
        if self.on_error == "struct":
            return pa.StructArray.from_arrays(outputs, self.fields)
        *blobs, errors = outputs
        if len(blobs) == 1:
            return blobs[0]
        return pa.StructArray.from_arrays(blobs, self.fields[:-1], mask=errors.is_valid())
