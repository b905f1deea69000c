"""What runs on a Python worker: `ScoreTask`, which Spark pickles and calls per partition.

It opens the model once per process and holds torch to the task's cores; the work itself is
:mod:`bigdl_caffe.spark.batches`.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch
from pyspark import TaskContext, cloudpickle

from bigdl_caffe.engine.local import kept
from bigdl_caffe.engine.opening import Opening, Run, open_engine
from bigdl_caffe.format.host_folder import HostFolderError, own_folder
from bigdl_caffe.layers.registry import Layer, registry, type_key
from bigdl_caffe.spark.batches import ScoreJob, score_batches
from bigdl_caffe.spark.device import DTYPES, task_device, use_exact_floats
from bigdl_caffe.spark.memory import keep_memory, trim_memory
from bigdl_caffe.spark.metrics import Tallies, Tally
from bigdl_caffe.spark.ship import open_shipped
from bigdl_caffe.spark.ways import Shipped

if TYPE_CHECKING:
    from pyspark.accumulators import Accumulator

    from bigdl_caffe.model import Model

MODELS_KEPT = 2
"""Models that a worker process keeps open; the least recently used goes first."""

_models: OrderedDict[tuple[str, bytes, torch.device, str], Model] = OrderedDict()


def custom_layers(model: Model) -> dict[str, type[Layer]]:
    """Return the layer types of the net that are not ours, by their key in the registry."""
    types = registry(model.converters)
    used = {key: types[key] for key in map(type_key, model.net.layers)}
    return {name: cls for name, cls in used.items() if is_custom(cls)}


def is_custom(layer: type[Layer]) -> bool:
    """Whether a layer type is somebody else's."""
    return not layer.__module__.startswith("bigdl_caffe.")


def pickle_converters(model: Model) -> bytes:
    """Return the net's layer types that are not ours, by value where workers lack their module."""
    own = custom_layers(model)
    pickled: bytes = cloudpickle.dumps(own)  # type: ignore[no-untyped-call]  # pyspark has no type
    return pickled


def prepare(
    context: TaskContext | None, shipped: Shipped, converters: bytes, dtype: str = "float32"
) -> Model:
    """Return the model that was shipped, on the task's device; opened at most once per process.

    torch is held to the cores that Spark gave the task, and freed memory is kept.

    Parameters
    ----------
    converters : bytes
        From `pickle_converters`: part of what the model is.
    dtype : str
        What it computes in; a type of `DTYPES`.
    """
    keep_memory()
    if context:
        torch.set_num_threads(context.cpus())
    device = task_device(context)
    key = (shipped.parcel.content_hash, converters, device, dtype)
    if key not in _models:
        _models[key] = open_model(shipped, converters, device, dtype)
    _models.move_to_end(key)
    while len(_models) > MODELS_KEPT:
        _, gone = _models.popitem(last=False)
        gone.opened.clear()  # its engines refer to it: it would stay until the next collection
    return _models[key]


def sharing(shipped: Shipped, converters: bytes) -> dict[str, Any]:
    """Return what `Opening` is told of the host's other processes, and of this one's own model.

    What encryption keeps from the disk is not written there by an engine either.
    """
    salt = hashlib.sha256(converters).hexdigest()
    hidden = shipped.way == "copy"
    return {"shared": not hidden, "salt": salt, "hidden": hidden, "settled": True}


def engine(model: Model, name: str, opening: Opening) -> Run:
    """Return an engine for a model of `prepare`; opened once per process and number of threads."""

    def opened() -> Run:
        run = open_engine(name, opening)
        trim_memory()
        return run

    return kept(model, (name, opening.fetch, opening.rows, torch.get_num_threads()), opened)


def threads(context: TaskContext | None, model: Model) -> int:
    """Return how many threads can work at once for a task: a GPU computes beside its cores."""
    like = next(model.module.parameters(), torch.empty(0))
    return (context.cpus() if context else 1) + (like.device.type != "cpu")


def open_model(shipped: Shipped, converters: bytes, device: torch.device, dtype: str) -> Model:
    """Return the model that was shipped as one of the caller's own, which it may change."""
    from bigdl_caffe.model import Model

    start = time.perf_counter()
    with open_shipped(shipped) as (path, offset):
        model = Model.open_bundle(path, offset, converters=pickle.loads(converters))
    if (device.type, dtype) != ("cpu", "float32"):
        use_exact_floats(device)
        model.move(device, DTYPES[dtype])
    _announce(shipped, device, dtype, time.perf_counter() - start)
    return model


def _announce(shipped: Shipped, device: torch.device, dtype: str, seconds: float) -> None:
    """Say in the executor's log, once, what its workers compute with and on."""
    try:
        (own_folder() / f"said-{os.getppid()}").touch(mode=0o600, exist_ok=False)
    except (OSError, HostFolderError):  # it was said; or a mark that it was cannot be made
        return
    size = f"{shipped.parcel.size / 1e6:.1f} MB, way '{shipped.way}', opened in {seconds:.2f} s"
    place = device if device.type == "cuda" else "the CPU (Spark assigned no GPU)"
    print(
        f"{time.strftime('%y/%m/%d %H:%M:%S')} INFO bigdl_caffe: executor {executor_name()}, "
        f"model {shipped.parcel.content_hash[:12]} ({size}), {dtype} on {place}, "
        f"{torch.get_num_threads()} threads a task, torch {torch.__version__}",
        file=sys.stderr,  # Python workers have no logging of their own: this is Spark's log
        flush=True,
    )


def executor_name() -> str:
    """Return the host, and the process that an executor's workers have as their parent."""
    return f"{socket.gethostname()}/{os.getppid()}"


@dataclass(frozen=True)
class ScoreTask:
    """A `ScoreJob` with its model, as Spark pickles it and calls it for each partition."""

    job: ScoreJob
    shipped: Shipped
    converters: bytes
    tallies: Accumulator[Tallies] | None = None

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score one partition."""
        context = TaskContext.get()
        tally = Tally(tasks=1)
        with tally.timed("load"):
            model = prepare(context, self.shipped, self.converters, self.job.dtype)
            opening = self.job.opening(model, **sharing(self.shipped, self.converters))
            run = engine(model, self.job.engine, opening)
        partition = context.partitionId() if context else 0
        try:
            at_once = threads(context, model)
            yield from score_batches(batches, self.job, model, partition, tally, run, at_once)
        finally:  # a LIMIT ends a task before its rows do
            if self.tallies is not None and context:
                told = context.taskAttemptId(), executor_name(), tally
                self.tallies.add({(context.stageId(), partition): told})
