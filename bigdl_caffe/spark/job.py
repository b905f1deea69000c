"""The scoring job behind the command line: read, score, rank, write, sum up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from bigdl_caffe import feeding
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark import ranking
from bigdl_caffe.spark.arrow import tells_case_apart
from bigdl_caffe.spark.feeds import find_feeds
from bigdl_caffe.spark.metrics import Metrics
from bigdl_caffe.spark.output import replaced
from bigdl_caffe.spark.plan import check_names
from bigdl_caffe.spark.progress import progress
from bigdl_caffe.spark.scoring import score_dataframe
from bigdl_caffe.spark.sources import Source, read_source

if TYPE_CHECKING:
    from bigdl_caffe.image.recipe import Recipe
    from bigdl_caffe.model import Model

SHOWN = 10
"""Rows in the table of first predictions."""


@dataclass(frozen=True)
class Request:
    """What to score, and how; see ``bigdl-caffe score --help``."""

    input: str
    output: str
    fetch: Sequence[str] | None = None
    column: str | None = None
    top: int = 5
    labels: Sequence[str] = ()
    truth: Mapping[str, int] = field(default_factory=dict)
    batch_size: int = 32
    recipe: Recipe | None = None
    on_error: str = "column"
    overwrite: bool = False
    engine: str = "torch"
    dtype: str = "float32"


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes
    ----------
    images : bool
        Whether a row is an image.
    rows, failed : int
        Rows that were tried, and those of them that could not be scored.
    reasons : mapping of str to int
        Why rows failed → how many of them.
    judged, right : int
        Rows whose true class is known, and those of them that were predicted so.
    seconds : float
        From the start of the job until its output was in place.
    first : list of Row
        The first rows of the output; of image files, by path.
    """

    source: Source
    images: bool
    rows: int
    failed: int
    reasons: Mapping[str, int]
    judged: int
    right: int
    seconds: float
    first: list[Row]


def run(
    spark: SparkSession, model: Model, request: Request, say: Callable[[str], None] = print
) -> Outcome:
    """Score ``request.input`` and write ``request.output``, which appears whole or not at all.

    Parameters
    ----------
    say : callable
        Told what will be done, before it is.

    Raises
    ------
    CaffeError
        The request cannot be met.
    """
    source = read_source(spark, request.input, request.column)
    (feed,) = find_feeds(model, source.rows.schema, source.column, None, request.recipe)
    if feed.recipe:
        say(f"Each image is prepared so:\n{feed.recipe.describe()}")
    metrics = Metrics(spark)
    scored = _rows(model, request, source, source.rows.columns[feed.column], metrics)
    start = time.monotonic()
    with (
        replaced(spark, request.output, request.overwrite, source.rows.inputFiles) as folder,
        progress(spark, metrics),
    ):
        scored.write.mode("overwrite").parquet(folder)
    seconds = time.monotonic() - start
    return _outcome(spark, request, source, bool(feed.recipe), metrics, seconds)


def _rows(
    model: Model, request: Request, source: Source, column: str, metrics: Metrics
) -> DataFrame:
    """Return the rows to write: the source's without the input, outputs, classes and truth."""
    scored = score_dataframe(
        model,
        source.rows,
        input_col=column,
        fetch=request.fetch,
        batch_size=request.batch_size,
        recipe=request.recipe,
        on_error=request.on_error,
        engine=request.engine,
        dtype=request.dtype,
        metrics=metrics,
        **_classes(model, request),
    ).drop(F.col(f"`{column}`"))
    if request.truth:
        scored = _with_truth(scored, source.path, request.truth)
    return scored.sortWithinPartitions("path") if source.files else scored


def _classes(model: Model, request: Request) -> dict[str, Any]:
    """Return the options that rank the classes, if the first blob has one number a class."""
    blob = model.check_fetch(request.fetch)[0]
    if model.is_dynamic([blob]) or feeding.classes(model.net.shapes[blob]) is None:
        return {}
    return {
        "prediction_col": ranking.PREDICTION,
        "prediction_type": "int",
        "top_k": request.top,
        "top_col": ranking.TOP,
        "labels": request.labels,
    }


def _with_truth(scored: DataFrame, path: str | None, truth: Mapping[str, int]) -> DataFrame:
    if path is None or ranking.PREDICTION not in scored.columns:
        raise CaffeError(
            "--truth takes rows that have a path, and an output that has one number a class: "
            "leave it out, or --fetch another blob"
        )
    check_names(scored.columns, [ranking.TRUTH], tells_case_apart(scored.sparkSession))
    return ranking.with_truth(scored, path, truth)


def _outcome(
    spark: SparkSession,
    request: Request,
    source: Source,
    images: bool,
    metrics: Metrics,
    seconds: float,
) -> Outcome:
    """Sum up what was written: tasks that a later action ran again are not counted."""
    written = spark.read.parquet(request.output)
    known = set(written.columns)
    truth = F.col(ranking.TRUTH) if ranking.TRUTH in known else F.lit(None)
    right = truth == F.col(ranking.PREDICTION) if ranking.TRUTH in known else F.lit(False)
    error = F.col("error") if request.on_error == "column" else F.lit(None)
    found = written.agg(
        F.count("*").alias("rows"),
        F.count(error).alias("failed"),
        F.count(truth).alias("judged"),
        F.count_if(right).alias("right"),
    ).first()
    assert found is not None  # an aggregate without groups has one row
    total = metrics.total
    dropped = total.failed if request.on_error == "drop" else 0
    ordered = written.orderBy("path") if source.files else written
    return Outcome(
        source=source,
        images=images,
        rows=found["rows"] + dropped,
        failed=found["failed"] + dropped,
        reasons=total.reasons,
        judged=found["judged"],
        right=found["right"],
        seconds=seconds,
        first=ordered.limit(SHOWN).collect(),
    )
