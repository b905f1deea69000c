"""From what a `CaffeEstimator` was told to a training on Spark, and what comes of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.layers.assemble import Options
from bigdl_caffe.layers.registry import Role, registry, type_key
from bigdl_caffe.model import Model
from bigdl_caffe.spark.arrow import limit_rows, place
from bigdl_caffe.spark.columns import Feed
from bigdl_caffe.spark.feeds import find_feeds
from bigdl_caffe.spark.placing import placed
from bigdl_caffe.spark.rank_job import Job, RowsPlan, TestNet
from bigdl_caffe.spark.ship import release, ship
from bigdl_caffe.spark.slots import check_session
from bigdl_caffe.spark.solver_params import epochs_solver, solver_of
from bigdl_caffe.spark.training import Trained, train
from bigdl_caffe.spark.worker import pickle_converters
from bigdl_caffe.train.definition import SolverDef
from bigdl_caffe.train.editing import frozen, with_metrics
from bigdl_caffe.train.events import Observer, Rule
from bigdl_caffe.train.nets import read_source, sharing
from bigdl_caffe.train.snapshots import latest_snapshot
from bigdl_caffe.train.stopping import EarlyStop, LastTest

_log = logging.getLogger(__name__)

LATEST = "latest"
"""For ``resumeFrom``: the last snapshot in ``checkpointDir``, if there is one."""


@dataclass(frozen=True)
class Columns:
    """Which columns feed which input blobs.

    Attributes
    ----------
    feed : mapping of str to str
        Input blob → column.
    labels : frozenset of str
        Those of the blobs that only losses and metrics read.
    """

    feed: Mapping[str, str]
    labels: frozenset[str]


def fit_rows(
    model: Model, df: DataFrame, given: Mapping[str, Any], observers: Sequence[Observer] = ()
) -> Trained:
    """Train a copy of ``model`` on the rows of ``df``.

    Parameters
    ----------
    model : Model
        In the TRAIN phase.
    given : mapping of str to object
        The Params of a `CaffeEstimator` by their words.

    Raises
    ------
    CaffeError
        At once for what cannot work; `TrainingError` for what goes wrong on the way.
    """
    if df.isStreaming:
        raise CaffeError("the DataFrame is a stream, and training takes rows that come to an end")
    ranks, batch = given["num_workers"], given.get("batch_size") or _batch(model)
    if batch < ranks:
        raise CaffeError(
            f"batchSize is {batch} for {ranks} workers, and each needs a row: give more"
        )
    check_session(df.sparkSession, ranks, given["timeout"])
    validation = _validation(df, given)
    learner = _learner(model, given)
    tests = [_test_net(learner)] if validation is not None else []
    feeds, names = _feeds(learner, df, given, tests)
    limit_rows(df.sparkSession, learner.inputs)
    plain = df.toDF(*map(place, range(len(df.columns))))
    columns = [F.col(place(at)).alias(place(i)) for i, at in enumerate(names)]
    kept = df.storageLevel == StorageLevel.NONE
    with placed(plain, columns, ranks, batch, validation, kept) as rows:
        plan = RowsPlan(*feeds, batch, rows.train, rows.test, given["shuffle"], given["on_error"])
        solver = epochs_solver(given, learner, ceil(rows.train / batch), bool(tests))
        return _train(rows.df, solver, learner, tests, plan, given, observers)


def fit_own_data(
    model: Model, given: Mapping[str, Any], observers: Sequence[Observer] = ()
) -> Trained:
    """Train a copy of ``model`` on what its own data layers name; see `fit_rows`."""
    wrong = [name for name in _OF_ROWS if given.get(name) is not None]
    if wrong:
        raise CaffeError(
            f"{', '.join(wrong)} is of rows, and the net's own data layers are to be used: leave "
            "it out, or give a DataFrame"
        )
    ranks = given["num_workers"]
    spark = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    check_session(spark, ranks, given["timeout"])
    solver, learner = solver_of(given, model), _learner(model, given)
    tests = []
    for source in solver.test_nets:
        definition = with_metrics(read_source(source, model.converters), given["metrics"])
        state = source.state(definition)
        options = Options(state.phase, tuple(state.stages), state.level, judges=True)
        tests.append(TestNet(definition, options))
    df = spark.range(0, ranks, 1, ranks)
    return _train(df, solver, learner, tests, None, given, observers)


_OF_ROWS = (
    *("features_col", "label_col", "feed", "validation_col", "validation_fraction"),
    *("max_epochs", "batch_size"),
)


def _train(
    df: DataFrame,
    solver: SolverDef,
    learner: Model,
    tests: Sequence[TestNet],
    rows: RowsPlan | None,
    given: Mapping[str, Any],
    observers: Sequence[Observer],
) -> Trained:
    spark = df.sparkSession
    try:
        job = Job(
            solver=solver,
            shipped=ship(spark, learner),
            converters=pickle_converters(learner),
            tests=tuple(tests),
            rows=rows,
            rules=_rules(solver, given, bool(tests)),
            synchronised=given["batch_norm"] == "synchronised",
            timeout=given["timeout"],
            resume=_resume(solver, given),
        )
        return train(df, job, given["num_workers"], observers, given["max_retries"])
    finally:
        with suppress(Py4JError):  # Spark is gone; what ended it says more than this
            release(learner, spark)


def _learner(model: Model, given: Mapping[str, Any]) -> Model:
    """Return the net that learns: with layers frozen, and metrics in its TEST phase."""
    definition = with_metrics(model.net.definition, given["metrics"])
    return sharing(model, frozen(definition, model, given.get("freeze", ())), model.options)


def _test_net(learner: Model) -> TestNet:
    options = Options(
        "TEST",
        learner.options.stages,
        learner.options.level,
        input_shapes=learner.inputs,
        judges=True,
    )
    return TestNet(learner.net.definition, options)


def _rules(solver: SolverDef, given: Mapping[str, Any], tests: bool) -> tuple[Rule, ...]:
    if "patience" not in given:
        return (LastTest(solver.max_iter, solver.test_interval),) if tests else ()
    if not tests:
        raise CaffeError(
            "patience stops by tests, and there is nothing to test with: give validationCol or "
            "validationFraction"
        )
    early = EarlyStop(given["monitor"], given["patience"], given["min_delta"])
    return (LastTest(solver.max_iter, solver.test_interval), early)


def _resume(solver: SolverDef, given: Mapping[str, Any]) -> str:
    asked = given.get("resume_from", "")
    if asked != LATEST:
        return str(asked)
    if "checkpoint_dir" not in given:
        raise CaffeError(f"resumeFrom is '{LATEST}': say of which checkpointDir")
    latest = latest_snapshot(solver.snapshot_prefix) or ""
    if not latest:
        _log.warning("no state is in %s: training begins anew", given["checkpoint_dir"])
    return latest


def _batch(model: Model) -> int:
    """Return the batch size that the net's definition gives."""
    return next(iter(model.inputs.values()))[0]


# -- columns -----------------------------------------------------------------------------


def columns_of(model: Model, given: Mapping[str, Any]) -> Columns:
    """Return which column feeds which input of ``model``.

    Raises
    ------
    CaffeError
        Where it cannot be told which input is the features', and which the labels'.
    """
    labels = frozenset(_labels(model))
    if "feed" in given:
        if "features_col" in given or "label_col" in given:
            raise CaffeError("give feedDict, or featuresCol and labelCol, not both")
        feed = dict(given["feed"])
    else:
        features = [blob for blob in model.inputs if blob not in labels]
        if len(features) != 1 or len(labels) > 1:
            raise CaffeError(
                f"the net has the inputs {', '.join(model.inputs)}: say which column each gets, by "
                "feedDict={'blob': 'column', ...} in place of featuresCol and labelCol"
            )
        feed = {features[0]: given.get("features_col", "features")}
        feed |= {blob: given.get("label_col", "label") for blob in labels}
    missing = [blob for blob in model.inputs if blob not in feed]
    if missing:
        raise CaffeError(f"feedDict lacks the input {', '.join(missing)}: say its column")
    return Columns(feed, labels)


def _labels(model: Model) -> Iterator[str]:
    """Yield the inputs that only losses and metrics read."""
    types = registry(model.converters)
    judges = (Role.LOSS, Role.METRIC)
    for blob, value in model.net.fed.items():
        readers = [layer for layer in model.net.layers if value in layer.reads]
        if readers and all(types[type_key(layer)].role in judges for layer in readers):
            yield blob


def _feeds(
    learner: Model, df: DataFrame, given: Mapping[str, Any], tests: Sequence[TestNet]
) -> tuple[tuple[tuple[Feed, ...], tuple[Feed, ...]], list[int]]:
    """Return the feeds of the net that learns and of the one that tests, and their columns."""
    feed = columns_of(learner, given).feed
    how = given.get("recipe"), given.get("binary", "auto")
    found = [find_feeds(learner, df.schema, None, feed, *how)]
    for test in tests:
        model = sharing(learner, test.definition, test.options)
        fed = {blob: column for blob, column in feed.items() if blob in model.inputs}
        found.append(find_feeds(model, df.schema, None, fed, *how))
    places = sorted({each.column for feeds in found for each in feeds})
    moved = [
        tuple(replace(each, column=places.index(each.column)) for each in feeds) for feeds in found
    ]
    return (moved[0], moved[1] if tests else ()), places


def _validation(df: DataFrame, given: Mapping[str, Any]) -> Column | None:
    """Return what is true of the rows to test with; columns have the names of `place`."""
    column, fraction = given.get("validation_col"), given.get("validation_fraction")
    if column is not None and fraction is not None:
        raise CaffeError("give validationCol or validationFraction, not both")
    if column is not None:
        if column not in df.columns:
            raise CaffeError(
                f"there is no column '{column}' for validationCol: the columns are "
                f"{', '.join(df.columns)}"
            )
        return F.col(place(df.columns.index(column))).cast("boolean")
    if fraction is None:
        return None
    drawn = F.pmod(F.xxhash64(F.monotonically_increasing_id()), F.lit(1 << 32))
    return drawn < F.lit(int(fraction * (1 << 32)))
