"""What runs on a Python worker: `ScoreTask`, which Spark pickles and calls per partition.

It opens the model once per process and holds torch to the task's cores; the work itself is
:mod:`bigdl_caffe.spark.batches`.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import torch
from pyspark import TaskContext, cloudpickle

from bigdl_caffe.layers.registry import registry, type_key
from bigdl_caffe.spark.batches import ScoreJob, count_nothing, score_batches
from bigdl_caffe.spark.ship import open_shipped
from bigdl_caffe.spark.ways import Shipped

if TYPE_CHECKING:
    from pyspark.accumulators import Accumulator

    from bigdl_caffe.model import Model

MODELS_KEPT = 2
"""Models that a worker process keeps open; the least recently used goes first."""


_models: OrderedDict[tuple[str, bytes], Model] = OrderedDict()


def pickle_converters(model: Model) -> bytes:
    """Return the net's layer types that are not ours, by value where workers lack their module."""
    types = registry(model.converters)
    used = {key: types[key] for key in map(type_key, model.net.layers)}
    own = {name: cls for name, cls in used.items() if not cls.__module__.startswith("bigdl_caffe.")}
    pickled: bytes = cloudpickle.dumps(own)  # type: ignore[no-untyped-call]  # pyspark has no type
    return pickled


def open_model(shipped: Shipped, converters: bytes) -> Model:
    """Return the model that was shipped, opened at most once per process.

    Parameters
    ----------
    converters : bytes
        From `pickle_converters`: part of what the model is.
    """
    key = (shipped.parcel.content_hash, converters)
    if key not in _models:
        from bigdl_caffe.model import Model

        with open_shipped(shipped) as (path, offset):
            _models[key] = Model.open_bundle(path, offset, converters=pickle.loads(converters))
    _models.move_to_end(key)
    while len(_models) > MODELS_KEPT:
        _models.popitem(last=False)
    return _models[key]


@dataclass(frozen=True)
class Counts:
    """Accumulators for the rows that were scored or tried, and those of them that failed."""

    rows: Accumulator[int]
    failed: Accumulator[int]

    def add(self, rows: int, failed: int) -> None:
        """Add one batch's; the driver learns of them as each task ends."""
        self.rows.add(rows)
        self.failed.add(failed)


@dataclass(frozen=True)
class ScoreTask:
    """A `ScoreJob` with its model, as Spark pickles it and calls it for each partition."""

    job: ScoreJob
    shipped: Shipped
    converters: bytes
    counts: Counts | None = None

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score one partition."""
        context = TaskContext.get()
        model = prepare(context, self.shipped, self.converters)
        partition = context.partitionId() if context else 0
        tally = self.counts.add if self.counts else count_nothing
        yield from score_batches(batches, self.job, model, partition, tally)


def prepare(context: TaskContext | None, shipped: Shipped, converters: bytes) -> Model:
    """Return the model, with torch held to the cores that Spark gave the task."""
    if context:
        torch.set_num_threads(context.cpus())
    return open_model(shipped, converters)
