"""Score DataFrames and RDDs: a thin shell around :mod:`bigdl_caffe.spark.worker`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from bigdl_caffe.engine.opening import sent
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.arrow import map_arrow, tells_case_apart
from bigdl_caffe.spark.metrics import Metrics
from bigdl_caffe.spark.plan import Scoring, count_classes, plan
from bigdl_caffe.spark.ranking import PREDICTION
from bigdl_caffe.spark.rdd import is_rdd, score_rdd
from bigdl_caffe.spark.ship import ship
from bigdl_caffe.spark.worker import ScoreTask, pickle_converters

if TYPE_CHECKING:
    from bigdl_caffe.model import Model


_JUDGES = {"classes_of", "prediction_col", "prediction_type"}


def named_options(options: Mapping[str, Any]) -> Scoring:
    """Return options that came by keyword; raise `CaffeError` for a name that is none."""
    known = [field.name for field in fields(Scoring)]
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
            raise CaffeError(f"scoring a DataFrame has no option '{name}': {hint}")
    return Scoring(**options)


def score(model: Model, data: Any, **how: Any) -> Any:
    """Score a DataFrame by `score_dataframe`, an RDD by `score_rdd`."""
    return (score_rdd if is_rdd(data) else score_dataframe)(model, data, **how)


def score_dataframe(
    model: Model, df: DataFrame, *, metrics: Metrics | None = None, **options: Any
) -> DataFrame:
    """Return ``df`` with the model's outputs beside each row. Nothing runs before an action.

    The session's ``spark.sql.execution.arrow.maxRecordsPerBatch`` is set, if nobody has set
    it, to 128 or to as many rows as fit into a batch of Arrow's (see
    :mod:`bigdl_caffe.spark.arrow`).

    Parameters
    ----------
    model : Model
        Sent to the executors once per application.
    df : DataFrame
        Its columns are kept, and so are its rows, their order, and its partitions.
    metrics : Metrics, optional
        Learns what was scored, what failed and where the time went.
    options
        Those of `bigdl_caffe.spark.plan.Scoring`.

    Raises
    ------
    CaffeError
        At once, for columns, blobs or options that cannot work.
    """
    return score_as(model, df, named_options(options), metrics)


def score_as(
    model: Model, df: DataFrame, scoring: Scoring, metrics: Metrics | None = None
) -> DataFrame:
    """As `score_dataframe`, with the options in one piece."""
    if metrics is not None and not isinstance(metrics, Metrics):
        raise CaffeError(f"metrics is {metrics!r}: give bigdl_caffe.spark.Metrics(spark)")
    planned = plan(model, df.schema, scoring, tells_case_apart(df.sparkSession))
    task = ScoreTask(
        planned.job,
        ship(df.sparkSession, sent(model, planned.job.engine, planned.job.fetch)),
        pickle_converters(model),
        metrics.tallies if metrics else None,
    )
    return map_arrow(df, task, planned.added, model.inputs)


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
    if is_rdd(data):
        count_classes(model, blob)
        scores = score_rdd(model, data, batch_size=batch_size, fetch=fetch, **how)
        return scores.map(lambda row: int(row.argmax()))
    if judged := sorted(_JUDGES & how.keys()):
        raise CaffeError(f"predict_class takes no {judged[0]}: call predict(df, {judged[0]}=...)")
    only: dict[str, Any] = {
        "fetch": (),
        "classes_of": blob,
        "prediction_col": PREDICTION,
        "prediction_type": "int",
    }
    return score_dataframe(model, data, batch_size=batch_size, **only, **how)
