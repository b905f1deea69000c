"""From what was asked for to what a worker does: checked at once, against a schema alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from pyspark.ml.linalg import VectorUDT
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    IntegralType,
    StringType,
    StructField,
    StructType,
)

from bigdl_caffe import feeding
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.arrow import place
from bigdl_caffe.spark.batches import ScoreJob
from bigdl_caffe.spark.feeds import find_feeds
from bigdl_caffe.spark.options import PREDICTIONS, check_options
from bigdl_caffe.spark.outputs import Output

if TYPE_CHECKING:
    from bigdl_caffe.image.recipe import Recipe
    from bigdl_caffe.model import Model

BATCH_BYTES = 512 << 20
"""Inputs and outputs of a batch take at most this: larger batches are run in parts."""

_FLOATS = ArrayType(FloatType(), False)


@dataclass(frozen=True)
class Scoring:
    """What to score, and how.

    Attributes
    ----------
    input_col : str, optional
        Column for a net of one input; by default the one column that can be it.
    feed : mapping of str to str, optional
        Input blob → column, for a net of several inputs.
    fetch : sequence of str, or mapping of str to str, optional
        Blobs to append, inner ones too, under their own names or the column names given;
        the net's outputs by default.
    output_type : {"array", "vector", "binary", "struct"}
        What a row of a blob becomes: an array of floats in row-major order (a float where
        the blob has one number a row); a Spark ML vector; the float32 numbers' bytes,
        little-endian; a struct of its ``shape`` and ``data``.
    classes_of : str, optional
        The blob that ``prediction_col`` and ``top_k`` judge: by default the first of ``fetch``,
        or of the net's outputs where nothing is fetched.
    prediction_col : str, optional
        Column for the 0-based class, the position of the blob's largest number.
    prediction_type : {"double", "int"}
        Its type; Spark ML's evaluators take doubles.
    top_k : int
        How many best classes to append, as an array of struct (class, score, label if there
        are labels), the best first; 0 for none.
    top_col : str
        Column for them.
    labels : sequence of str
        Names of the classes.
    batch_size : int
        Rows that the model runs at a time; fewer where they would take over `BATCH_BYTES`.
    recipe : Recipe, optional
        How images become the input; by default `Model.recipe`.
    binary : str, or mapping of str to str
        What binary columns hold, or input blob → what its column holds: "image" (files) or the
        type of raw little-endian numbers, as "float32" or "uint8". By default "auto": images
        where a row of the input has the shape (1 or 3, H, W), float32 elsewhere.
    on_error : {"column", "drop", "fail"}
        What becomes of a row that cannot be scored: null outputs and the reason in
        ``error_col``; left out; or an error that names it.
    error_col : str
        Name of the column of reasons.
    engine : str
        One of `bigdl_caffe.engine.opening.ENGINES`. "exact" computes row by row, so that a row's
        numbers depend on nothing but the row: not on the partitions, not on ``batch_size``.
    dtype : {"float32", "float64", "float16", "bfloat16"}
        What the model computes in. What it returns is float32.
    """

    input_col: str | None = None
    feed: Mapping[str, str] | None = None
    fetch: Sequence[str] | Mapping[str, str] | None = None
    output_type: str = "array"
    classes_of: str | None = None
    prediction_col: str | None = None
    prediction_type: str = "double"
    top_k: int = 0
    top_col: str = "top"
    labels: Sequence[str] = ()
    batch_size: int = 32
    recipe: Recipe | None = None
    binary: str | Mapping[str, str] = "auto"
    on_error: str = "column"
    error_col: str = "error"
    engine: str = "torch"
    dtype: str = "float32"


@dataclass(frozen=True)
class Plan:
    """What a worker does, and the columns that come of it."""

    job: ScoreJob
    added: tuple[StructField, ...]


def plan(model: Model, schema: StructType, scoring: Scoring, case_sensitive: bool = False) -> Plan:
    """Return how ``model`` scores rows of ``schema``.

    Raises
    ------
    CaffeError
        For columns, blobs or options that cannot work.
    """
    check_options(scoring)
    if model.scheme is not None and scoring.dtype != "float32":
        raise CaffeError(f"the model is int8, and dtype is '{scoring.dtype}': leave dtype out")
    given = scoring.input_col, scoring.feed, scoring.recipe, scoring.binary
    feeds = find_feeds(model, schema, *given)
    wanted = tuple(_outputs(model, scoring))
    blobs = tuple(dict.fromkeys(output.blob for output in wanted))
    _check_fed(model, [feed.blob for feed in feeds], blobs)
    row_wise = model.row_wise(blobs)
    outputs = [_as_it_is(output, model, row_wise) for output in wanted]
    added = [StructField(o.column, SPARK_TYPES[o.kind](o)) for o in outputs]
    if scoring.on_error == "column":
        added.append(StructField(scoring.error_col, StringType()))
    check_names(schema.names, [field.name for field in added], case_sensitive)
    first = len(schema.names)
    job = ScoreJob(
        feeds=feeds,
        outputs=tuple(_at(output, first + i) for i, output in enumerate(outputs)),
        batch_size=min(scoring.batch_size, _most_rows(model, blobs)),
        row_wise=row_wise,
        on_error=scoring.on_error,
        error_column=place(first + len(outputs)),
        keys=_keys(schema),
        engine=scoring.engine,
        dtype=scoring.dtype,
    )
    return Plan(job, tuple(added))


def _outputs(model: Model, scoring: Scoring) -> Iterator[Output]:
    """Yield the outputs asked for; their columns have the names that they end with."""
    fetch = scoring.fetch
    columns = fetch if isinstance(fetch, Mapping) else {}
    blobs = model.check_fetch(tuple(fetch) if isinstance(fetch, Mapping) else fetch)
    for blob in blobs:
        yield Output(blob, columns.get(blob, blob), scoring.output_type)
    if not (scoring.prediction_col or scoring.top_k):
        if not blobs:
            raise CaffeError("nothing is asked for: give fetch, prediction_col or top_k")
        return
    (judged,) = model.check_fetch([scoring.classes_of or (blobs or model.outputs)[0]])
    labels = tuple(scoring.labels)
    _check_classes(model, judged, labels)
    if scoring.prediction_col:
        yield Output(judged, scoring.prediction_col, PREDICTIONS[scoring.prediction_type])
    if scoring.top_k:
        yield Output(judged, scoring.top_col, "top", scoring.top_k, labels)


def _check_fed(model: Model, fed: Sequence[str], blobs: Sequence[str]) -> None:
    needed = [blob for blob in model.needed(blobs) if blob not in fed]
    if needed:
        raise CaffeError(
            f"{', '.join(blobs)} needs the input '{needed[0]}' too: give its column in feed, or "
            "fetch blobs that do without it"
        )


def _check_classes(model: Model, blob: str, labels: Sequence[str]) -> None:
    classes = count_classes(model, blob)
    if labels and len(labels) != classes:
        raise CaffeError(
            f"there are {len(labels)} labels for the {classes} classes of '{blob}': "
            "give one for each class, or name the blob that they are of by classes_of"
        )


def count_classes(model: Model, blob: str) -> int:
    """Return how many classes a row of ``blob`` scores.

    Raises
    ------
    CaffeError
        A row is not one list of scores.
    """
    if model.is_dynamic([blob]):
        raise CaffeError(
            f"how many numbers a row of '{blob}' has depends on the row, as detections do: there "
            "are no classes to choose from; name another blob"
        )
    shape = model.net.shapes[blob]
    shape = shape if model.row_wise([blob]) else (1, *shape)
    feeding.check_classes(blob, shape)
    return prod(shape[1:])


def _as_it_is(output: Output, model: Model, row_wise: bool) -> Output:
    """Return a plain array of one number a row as a number."""
    one = row_wise and len(model.net.shapes[output.blob]) == 1
    return _like(output, kind="float") if one and output.kind == "array" else output


def _at(output: Output, position: int) -> Output:
    return _like(output, column=place(position))


def _like(output: Output, **changed: str) -> Output:
    return Output(**{**vars(output), **changed})


def _most_rows(model: Model, blobs: Sequence[str]) -> int:
    shapes = [*model.inputs.values(), *(model.net.shapes[blob] for blob in blobs)]
    return max(1, BATCH_BYTES // (4 * sum(prod(shape[1:]) for shape in shapes)))


def _keys(schema: StructType) -> tuple[tuple[str, int], ...]:
    """Return the first column that can tell a reader which row is meant: text, or an integer."""
    plain = (StringType, IntegralType)
    named = ((f.name, i) for i, f in enumerate(schema.fields) if isinstance(f.dataType, plain))
    return tuple(named)[:1]


def check_names(present: Sequence[str], added: Sequence[str], case_sensitive: bool) -> None:
    """Refuse names that are there already, as Spark compares names."""
    seen = {name if case_sensitive else name.lower() for name in present}
    for name in added:
        key = name if case_sensitive else name.lower()
        if key in seen:
            raise CaffeError(
                f"the column '{name}' would be there twice: rename the DataFrame's own by "
                "withColumnRenamed, or choose another name by fetch, prediction_col, top_col "
                "or error_col"
            )
        seen.add(key)


def _top_type(output: Output) -> DataType:
    fields = [StructField("class", IntegerType()), StructField("score", FloatType())]
    labels = [StructField("label", StringType())] if output.labels else []
    return ArrayType(StructType([*fields, *labels]), False)


SPARK_TYPES: dict[str, Callable[[Output], DataType]] = {
    "array": lambda output: _FLOATS,
    "float": lambda output: FloatType(),
    "vector": lambda output: VectorUDT(),
    "binary": lambda output: BinaryType(),
    "struct": lambda output: StructType(
        [StructField("shape", ArrayType(IntegerType(), False)), StructField("data", _FLOATS)]
    ),
    "class": lambda output: IntegerType(),
    "prediction": lambda output: DoubleType(),
    "top": _top_type,
}
"""Kind of an `Output` → the type of its column."""
