"""Bring a model's bundle to the executors, once, whatever Spark allows there.

A *bundle* is the one Arrow file that :meth:`bigdl_caffe.Model.write_bundle` writes. It
travels in one of the ways of `WAYS`; `ship` picks the first that the session allows:

========== ==================================================================== ===========
path       a file in a folder that all share; workers map it                    one copy
mapped     broadcast; workers map the file that their executor keeps on disk    one copy
file       broadcast; the first worker writes a file that all others map        one copy
artifact   session artifact, or ``SparkContext.addFile``; workers map the file  one copy
copy       broadcast; each worker keeps its own copy in memory, none on disk    one each
========== ==================================================================== ===========

``spark.bigdl.caffe.ship`` overrides the choice, ``spark.bigdl.caffe.ship.path`` names the
folder of the first. docs/shipping.md tells what each costs and leaves behind.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from bigdl_caffe.engine.folded import derived
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import local_path
from bigdl_caffe.spark.ways import WAYS, Shipped, is_connect
from bigdl_caffe.spark.ways.mapped import can_map
from bigdl_caffe.spark.ways.shared import FOLDER

if TYPE_CHECKING:
    from bigdl_caffe.model import Model

CONF = "spark.bigdl.caffe.ship"
"""Name of the Spark setting that overrides the way."""

_log = logging.getLogger(__name__)
_lock = RLock()

# A bundle lives as long as a model that was shipped, or until `release`. What Java still
# needs of it for a lazy DataFrame, a view or a stream outlives it: Spark's own cleaner
# frees a broadcast's blocks when nothing there refers to it any more.
_shipped: weakref.WeakValueDictionary[tuple[str, str, str], Shipped] = weakref.WeakValueDictionary()
_kept: weakref.WeakKeyDictionary[Model, dict[tuple[str, str], Shipped]] = (
    weakref.WeakKeyDictionary()
)


def ship(spark: SparkSession, model: Model) -> Shipped:
    """Send ``model`` to the executors, unless it is there already.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    model : Model
        Its bundle is written, and sent, when it is new to the session.

    Returns
    -------
    Shipped
        For `open_shipped` on a worker; pickled with the closure that Spark sends.

    Raises
    ------
    CaffeError
        The way asked for is unknown, or not possible in this session.
    """
    way, session = _choose(spark), _session(spark)
    with _lock:
        bundle = model.bundle()
        key = (session, bundle.content_hash, way)
        shipped = _shipped.get(key)
        if shipped is None:
            shipped = _shipped[key] = WAYS[way].send(spark, bundle)
            size, means = shipped.parcel.size / 1e6, WAYS[way].means
            _log.info("Sent model %.12s (%.1f MB), way '%s': %s", key[1], size, way, means)
        _kept.setdefault(model, {})[session, way] = shipped
    return shipped


def release(model: Model, spark: SparkSession | None = None) -> None:
    """Free what Spark holds of ``model``; using the model again sends it again.

    The broadcast's blocks go from the executors and its file from the driver, unless
    another model of the same weights is still in use. DataFrames that were made with the
    model, and not computed yet, fail from now on: Spark says that they use a broadcast
    that was destroyed. Files in a shared folder, and session artifacts, stay.

    Parameters
    ----------
    spark : SparkSession, optional
        Release it there only; by default in every session it was sent to.
    """
    only = None if spark is None else _session(spark)
    with _lock:
        for each in (model, *derived(model)):
            _release(_kept.get(each, {}), only)


def _release(mine: dict[tuple[str, str], Shipped], only: str | None) -> None:
    for session, way in [key for key in mine if only in (None, key[0])]:
        shipped = mine.pop((session, way))
        if not any(shipped in others.values() for others in _kept.values()):
            _shipped.pop((session, shipped.parcel.content_hash, way), None)
            WAYS[way].free(shipped)


@contextmanager
def open_shipped(shipped: Shipped) -> Iterator[tuple[Path, int]]:
    """Give the file in which a worker finds the bundle, and the byte at which it starts.

    The path is good until the context ends; what was mapped from it stays.

    Raises
    ------
    CaffeFormatError
        What arrived is not what was sent.
    """
    with WAYS[shipped.way].receive(shipped) as path:
        yield path, shipped.parcel.offset


def _choose(spark: SparkSession) -> str:
    """Return the way asked for, else the cheapest possible one."""
    possible = _possible(spark)
    asked = spark.conf.get(CONF, None)
    if asked is None:
        return next(iter(possible))
    if asked not in WAYS:
        raise CaffeError(
            f"{CONF} is '{asked}': set it to one of {', '.join(WAYS)}, or leave it out"
        )
    if asked not in possible:
        raise CaffeError(
            f"{CONF} is '{asked}', which this Spark session cannot do "
            f"(possible: {', '.join(possible)}; 'path' takes {FOLDER} too): "
            "leave it out, or set one of those"
        )
    return asked


def _possible(spark: SparkSession) -> tuple[str, ...]:
    """Return the ways open to this session, the first choice first."""
    folder = spark.conf.get(FOLDER, None)
    shared = ("path",) if folder else ()
    if is_connect(spark):
        return (*shared, "artifact")
    if spark.conf.get("spark.io.encryption.enabled", "false") == "true":
        # The others would leave the weights on the executors' disks in the clear.
        return (*(shared if folder and local_path(folder) else ()), "copy")
    return (*shared, *(("mapped",) if can_map(spark) else ()), "file", "artifact", "copy")


def _session(spark: SparkSession) -> str:
    if is_connect(spark):
        return str(getattr(spark, "session_id"))  # noqa: B009 - of Connect's session alone
    return spark.sparkContext.applicationId
