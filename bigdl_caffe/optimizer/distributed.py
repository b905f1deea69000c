"""Training on an RDD of samples, by ranks that are Spark tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from py4j.protocol import Py4JError
from pyspark import RDD, cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, BooleanType, StructField, StructType

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.assemble import Options
from bigdl_caffe.layers.registry import Layer
from bigdl_caffe.model import Model
from bigdl_caffe.optimizer.nets import Nets
from bigdl_caffe.optimizer.plan import Plan
from bigdl_caffe.optimizer.samples import Sample
from bigdl_caffe.spark.arrow import limit_rows, place
from bigdl_caffe.spark.environment import Portable
from bigdl_caffe.spark.feeds import find_feeds
from bigdl_caffe.spark.placing import placed
from bigdl_caffe.spark.rank_job import Job, RowsPlan, TestNet
from bigdl_caffe.spark.ship import release, ship
from bigdl_caffe.spark.slots import check_session, room
from bigdl_caffe.spark.training import train
from bigdl_caffe.spark.worker import custom_layers
from bigdl_caffe.train.editing import frozen
from bigdl_caffe.train.nets import sharing

TIMEOUT = 300.0
"""Seconds that one rank may keep the others waiting."""
RETRIES = 5
"""How often to go on from the last checkpoint when a process died: BigDL's retryTimes."""

_HELD = "held"


@dataclass(frozen=True)
class _Rows:
    """Makes rows of a partition's samples: the bytes of their float32 arrays, and ``held``."""

    held: bool

    def __call__(self, samples: Iterable[Sample]) -> Iterator[tuple[Any, ...]]:
        for sample in samples:
            arrays = (*sample.features, sample.label)
            yield (*(np.ascontiguousarray(a, np.float32).tobytes() for a in arrays), self.held)


def train_rdd(
    plan: Plan, samples: RDD[Sample], held: RDD[Sample] | None, workers: int | None
) -> None:
    """Train the plan's model.

    Parameters
    ----------
    plan : Plan
    samples : RDD of Sample
        To learn from.
    held : RDD of Sample or None
        To validate with.
    workers : int or None
        Tasks that train together; by default as many as there is room for.
    """
    spark = SparkSession.builder.getOrCreate()
    nets = Nets(plan.model, plan.criterion, _target(plan.model, samples))
    learner = nets.learner()
    learner = sharing(learner, frozen(learner.net.definition, learner), learner.options)
    ranks = workers or min(room(spark) or spark.sparkContext.defaultParallelism, plan.batch_size)
    check_session(spark, ranks, TIMEOUT)
    limit_rows(spark, learner.inputs)
    blobs = (*plan.model.inputs, nets.target_blob)
    columns = dict(zip(blobs, map(place, range(len(blobs))), strict=True))
    df = _table(spark, list(columns.values()), samples, held)
    feeds = find_feeds(learner, df.schema, None, columns, None, "float32")
    taken = [F.col(column) for column in columns.values()]
    validation = F.col(_HELD) if held is not None else None
    with placed(df, taken, ranks, plan.batch_size, validation) as rows:
        data = RowsPlan(feeds, feeds, plan.batch_size, rows.train, rows.test)
        _run(plan, nets, learner, rows.df, data, ranks)


def _run(plan: Plan, nets: Nets, learner: Model, df: DataFrame, data: RowsPlan, ranks: int) -> None:
    """Train a copy of ``learner``, and give the plan's model its weights."""
    spark = df.sparkSession
    tests = []
    if plan.validation and data.test:
        definition = nets.validation(plan.validation.methods)
        tests.append(TestNet(definition, Options("TEST", judges=True)))
    try:
        job = Job(
            solver=plan.solver(ceil(data.train / data.batch)),
            shipped=ship(spark, learner),
            converters=_pickled({**custom_layers(learner), **nets.converters}),
            tests=tuple(tests),
            rows=data,
            rules=tuple(plan.rules()),
            synchronised=False,
            timeout=TIMEOUT,
        )
        trained = train(df, job, ranks, plan.observers, RETRIES if plan.checkpoints else 0)
    finally:
        with suppress(Py4JError):  # Spark is gone; what ended it says more than this
            release(learner, spark)
    _take(plan.model, trained.model)


def _pickled(converters: Mapping[str, type[Layer]]) -> bytes:
    """Return layer types such that workers have them: the caller's criterion by value."""
    pickled: bytes = cloudpickle.dumps(converters)  # type: ignore[no-untyped-call]  # has no types
    return pickled


def _target(model: Model, samples: RDD[Sample]) -> Shape:
    """Return the shape of a target."""
    first = samples.take(1)
    if not first or not isinstance(first[0], Sample):
        found = f"its first row is {type(first[0]).__name__}" if first else "it is empty"
        raise CaffeError(f"training_rdd has to hold samples, and {found}: see Sample.from_ndarray")
    if len(first[0].features) != len(model.inputs):
        raise CaffeError(
            f"a sample has {len(first[0].features)} features, and the model the inputs "
            f"{', '.join(model.inputs)}: give one for each, in this order"
        )
    shape: Shape = first[0].label.shape
    return shape


def _table(
    spark: SparkSession, names: list[str], samples: RDD[Sample], held: RDD[Sample] | None
) -> DataFrame:
    fields = [StructField(name, BinaryType()) for name in names]
    schema = StructType([*fields, StructField(_HELD, BooleanType())])
    rows = samples.mapPartitions(Portable(_Rows(False)))
    if held is not None:
        rows = rows.union(held.mapPartitions(Portable(_Rows(True))))
    return spark.createDataFrame(rows, schema, verifySchema=False)


def _take(model: Model, trained: Model) -> None:
    """Copy the weights of ``trained`` into ``model``, layer by layer."""
    layers = trained.net.layers
    new = {(layers[slot.layer].name, slot.index): blob for slot, blob in trained.tensors()}
    model.exposed = True  # so that nobody takes it for what it was
    with torch.no_grad():
        for slot, blob in model.tensors():
            blob.copy_(new[model.net.layers[slot.layer].name, slot.index])
