"""Score DataFrames and RDDs: a thin shell around :mod:`bigdl_caffe.spark.worker`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    FloatType,
    IntegralType,
    StringType,
    StructField,
    StructType,
)

from bigdl_caffe import feeding
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.arrow import map_arrow, place
from bigdl_caffe.spark.batches import Output, ScoreJob, check_batch_size
from bigdl_caffe.spark.feeds import find_feeds
from bigdl_caffe.spark.ranking import PREDICTION, largest
from bigdl_caffe.spark.rdd import score_rdd
from bigdl_caffe.spark.ship import ship
from bigdl_caffe.spark.worker import Counts, ScoreTask, pickle_converters

if TYPE_CHECKING:
    from bigdl_caffe.image.recipe import Recipe
    from bigdl_caffe.model import Model

ON_ERROR = ("column", "drop", "fail")


def score(model: Model, data: Any, **how: Any) -> Any:
    """Score a DataFrame by `score_dataframe`, an RDD by `score_rdd`."""
    return (score_rdd if _is_rdd(data) else score_dataframe)(model, data, **how)


def score_dataframe(
    model: Model,
    df: DataFrame,
    *,
    input_col: str | None = None,
    feed: Mapping[str, str] | None = None,
    fetch: Sequence[str] | None = None,
    batch_size: int = 32,
    recipe: Recipe | None = None,
    on_error: str = "column",
    error_col: str = "error",
    counts: Counts | None = None,
) -> DataFrame:
    """Return ``df`` with the model's outputs beside each row. Nothing runs before an action.

    The session's ``spark.sql.execution.arrow.maxRecordsPerBatch`` is set to 128, once, if
    nobody has set it (to 32 before Spark 4.1, which cannot limit the bytes of an Arrow
    batch). Set it yourself to run larger batches, or pictures of over 60 MB.

    Parameters
    ----------
    model : Model
        Sent to the executors once per application.
    df : DataFrame
        Its columns are kept, and so are its rows, their order, and its partitions.
    input_col : str, optional
        Column for a net of one input: encoded images, Spark's image struct, (nested) arrays of
        numbers, ML vectors. By default the one column that can be it.
    feed : mapping of str to str, optional
        Input blob → column, for a net of several inputs.
    fetch : sequence of str, optional
        Blobs to append under their own names, inner ones too; the net's outputs by default.
        A row of a blob is an array of floats in row-major order, or a float where the blob
        has one number a row.
    batch_size : int
        Rows that the model runs at a time; fewer where an Arrow batch has fewer.
    recipe : Recipe, optional
        How images become the input; by default `Model.recipe`.
    on_error : {"column", "drop", "fail"}
        What becomes of a row that cannot be scored: null outputs and the reason in
        ``error_col``; left out; or an error that names it.
    error_col : str
        Name of the column of reasons.
    counts : Counts, optional
        Accumulators that learn how many rows were scored and failed.

    Raises
    ------
    CaffeError
        At once, for columns, blobs or options that cannot work.
    """
    _check_options(batch_size, on_error)
    feeds = find_feeds(model, df.schema, input_col, feed, recipe)
    blobs = model.check_fetch(fetch)
    row_wise = model.row_wise(blobs)
    added = [_field(model, blob, row_wise) for blob in blobs]
    if on_error == "column":
        added.append(StructField(error_col, StringType()))
    check_names(df, [field.name for field in added])
    job = ScoreJob(
        feeds=feeds,
        outputs=_outputs(blobs, added, len(df.columns)),
        batch_size=batch_size,
        row_wise=row_wise,
        on_error=on_error,
        error_column=place(len(df.columns) + len(blobs)),
        keys=_keys(df.schema),
    )
    task = ScoreTask(job, ship(df.sparkSession, model), pickle_converters(model), counts)
    return map_arrow(df, task, added)


def score_classes(
    model: Model, data: Any, *, fetch: Sequence[str], batch_size: int = 32, **how: Any
) -> Any:
    """Return each row's 0-based class, the position of the largest number of its output.

    Returns
    -------
    DataFrame or RDD of int
        A DataFrame has the column "prediction" in place of the blob's.

    Raises
    ------
    CaffeError
        At once, for a blob whose rows are not one list of scores, too.
    """
    (blob,) = model.check_fetch(fetch)
    shape = model.blob_shapes[blob]
    feeding.check_classes(blob, shape if model.row_wise(fetch) else (1, *shape))
    if _is_rdd(data):
        scores = score_rdd(model, data, batch_size=batch_size, fetch=fetch, **how)
        return scores.map(lambda row: int(row.argmax()))
    check_names(data, [PREDICTION])
    scored = score_dataframe(model, data, fetch=fetch, batch_size=batch_size, **how)
    names = [(PREDICTION if name == blob else name) for name in scored.columns]
    at = len(data.columns)
    columns = [F.col(f"`{place(i)}`") for i in range(len(names))]
    columns[at] = largest(columns[at])
    return scored.toDF(*map(place, range(len(names)))).select(*columns).toDF(*names)


def _is_rdd(data: Any) -> bool:
    """Whether ``data`` is an RDD; a DataFrame has an attribute for any name that is a column's."""
    return not hasattr(data, "mapInArrow")


def _field(model: Model, blob: str, row_wise: bool) -> StructField:
    one = row_wise and len(model.blob_shapes[blob]) == 1
    return StructField(blob, FloatType() if one else ArrayType(FloatType(), False))


def _outputs(blobs: Sequence[str], fields: Sequence[StructField], start: int) -> tuple[Output, ...]:
    return tuple(
        Output(blob, place(start + i), isinstance(field.dataType, FloatType))
        for i, (blob, field) in enumerate(zip(blobs, fields, strict=False))
    )


def _keys(schema: StructType) -> tuple[tuple[str, int], ...]:
    """Return the first column that can tell a reader which row is meant: text, or an integer."""
    plain = (StringType, IntegralType)
    named = ((f.name, i) for i, f in enumerate(schema.fields) if isinstance(f.dataType, plain))
    return tuple(named)[:1]


def _check_options(batch_size: int, on_error: str) -> None:
    check_batch_size(batch_size)
    if on_error not in ON_ERROR:
        raise CaffeError(f"on_error is '{on_error}': give one of {', '.join(ON_ERROR)}")


def check_names(df: DataFrame, added: Sequence[str]) -> None:
    """Refuse names that are in ``df`` already, as Spark compares names."""
    exact = df.sparkSession.conf.get("spark.sql.caseSensitive") == "true"
    seen = {name if exact else name.lower() for name in df.columns}
    for name in added:
        key = name if exact else name.lower()
        if key in seen:
            raise CaffeError(
                f"the column '{name}' would be there twice: rename the DataFrame's own by "
                "withColumnRenamed, or choose another error_col or fetch"
            )
        seen.add(key)
