"""The training job behind the command line: read, train on Spark, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe.spark.estimator import CaffeEstimator
from bigdl_caffe.spark.sources import image_folder, image_list, read_source
from bigdl_caffe.train.definition import read_solver
from bigdl_caffe.train.events import Observer
from bigdl_caffe.train.snapshots import check_place

LIST = ".txt"
"""What ends the name of a list of pictures."""
FEATURES, LABEL = "content", "label"
"""Columns of labelled pictures."""


@dataclass(frozen=True)
class Request:
    """What to train, and how; see ``bigdl-caffe train --help``."""

    solver: str
    weights: Sequence[str] = ()
    snapshot: str | None = None
    data: str | None = None
    feed: Mapping[str, str] = field(default_factory=dict)
    validation: float | None = None
    checkpoints: str | None = None
    workers: int = 1


def run(
    spark: SparkSession, request: Request, observers: Sequence[Observer] = ()
) -> tuple[str, str]:
    """Train, and write the net as it scores: a prototxt and weights, named as snapshots are.

    Returns
    -------
    str, str
        The files.

    Raises
    ------
    CaffeError
        The request cannot be met.
    """
    definition = read_solver(request.solver)
    check_place(definition.snapshot_prefix)
    given: dict[str, Any] = {
        "initialWeights": list(request.weights) or None,
        "resumeFrom": request.snapshot,
        "checkpointDir": request.checkpoints,
        "validationFraction": request.validation,
        "feedDict": dict(request.feed) or None,
    }
    rows = None if request.data is None else _rows(spark, request.data)
    if rows is not None and not request.feed and FEATURES in rows.columns:
        given |= {"featuresCol": FEATURES, "labelCol": LABEL}
    estimator = CaffeEstimator(
        observers=observers,
        solver=definition,
        numWorkers=request.workers,
        **{name: value for name, value in given.items() if value is not None},
    )
    fitted = estimator.fit_own_data() if rows is None else estimator.fit(rows)
    start = f"{definition.snapshot_prefix}_iter_{definition.max_iter}"
    prototxt, weights = f"{start}.prototxt", f"{start}.caffemodel"
    fitted.need_model().save_caffe(prototxt, weights, overwrite=True, deploy=True)
    return prototxt, weights


def _rows(spark: SparkSession, where: str) -> DataFrame:
    """Return the rows of a Parquet, or labelled pictures: of a list, or in folders by class."""
    if where.lower().endswith(LIST):
        return image_list(spark, where)
    source = read_source(spark, where)
    return image_folder(spark, where) if source.files else source.rows
