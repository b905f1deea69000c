"""A training as a barrier stage: one task a rank, tried again from the last checkpoint."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row

from bigdl_caffe.errors import RankFailedError
from bigdl_caffe.model import Model
from bigdl_caffe.spark.barrier import EVENTS, SCHEMA, WEIGHTS, RankTask
from bigdl_caffe.spark.environment import Portable
from bigdl_caffe.spark.failures import failure
from bigdl_caffe.spark.listening import Listener
from bigdl_caffe.spark.rank_job import Job
from bigdl_caffe.spark.slots import driver_host
from bigdl_caffe.train.event_json import from_json
from bigdl_caffe.train.events import Ended, Event, Observer, Snapshotted

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes
    ----------
    model : Model
        The net that learned, in its TRAIN phase.
    events : tuple of Event
        As of a training that nothing broke.
    """

    model: Model
    events: tuple[Event, ...]


def train(
    df: DataFrame, job: Job, ranks: int, observers: Sequence[Observer] = (), retries: int = 0
) -> Trained:
    """Train on ``ranks`` tasks at once.

    Parameters
    ----------
    df : DataFrame
        A partition for each rank.
    job : Job
        Its address is left out of account.
    observers : sequence of callable
        Told of every event here on the driver: while it happens where the executors reach
        the driver, else at the end.
    retries : int
        How often to go on from the last snapshot, or to begin again without one, when a
        process died.

    Raises
    ------
    TrainingError
        With the rank that failed, and why.
    """
    past: tuple[Event, ...] = job.past
    for left in range(retries, -1, -1):
        with TemporaryDirectory(prefix="bigdl-caffe-") as folder:
            file = Path(folder) / "model.arrow"
            listener = Listener(driver_host(df.sparkSession), observers, file)
            try:
                with listener:
                    rows = _run(df, replace(job, address=listener.address, past=past), ranks)
            except RankFailedError as error:
                if not left:
                    raise
                job, past = _after(job, past, listener.heard)
                going_on = f"from {job.resume}" if job.resume else "anew"
                _log.warning("%s; going on %s", error, going_on)
                continue
            events = [from_json(line) for line in _joined(rows, EVENTS).decode().splitlines()]
            for event in events[len(listener.heard) :]:
                listener.hear(event)
            _tell_of_dropped(events)
            return Trained(_model(rows, file, job), (*past, *events))
    raise AssertionError("the last try returns or raises")


def _run(df: DataFrame, job: Job, ranks: int) -> list[Row]:
    try:
        task = Portable(RankTask(job))
        return df.mapInArrow(task, SCHEMA, barrier=True).collect()
    except (PySparkException, Py4JError) as error:
        raise failure(str(error), ranks) from None


def _after(
    job: Job, past: tuple[Event, ...], heard: Sequence[Event]
) -> tuple[Job, tuple[Event, ...]]:
    """Return how to go on after a failure, and what had happened up to there.

    Only a snapshot that was heard of is known to be of this training.
    """
    written = [at for at, event in enumerate(heard) if isinstance(event, Snapshotted)]
    if not written:
        return job, past
    last = heard[written[-1]]
    assert isinstance(last, Snapshotted)
    return replace(job, resume=last.state), (*past, *heard[: written[-1] + 1])


def _joined(rows: Sequence[Row], kind: str) -> bytes:
    return b"".join(row["data"] for row in rows if row["kind"] == kind)


def _tell_of_dropped(events: Sequence[Event]) -> None:
    for event in events:
        if isinstance(event, Ended) and event.dropped:
            _log.warning("training left out %d of its rows, which could not be read", event.dropped)


def _model(rows: Sequence[Row], file: Path, job: Job) -> Model:
    """Return the model that rank 0 sent to ``file``, or as rows; it stays when that goes."""
    pieces = [row["data"] for row in rows if row["kind"] == WEIGHTS]
    if pieces:
        with file.open("wb") as out:
            out.writelines(pieces)
    return Model.open_bundle(file, converters=pickle.loads(job.converters))
