"""Bring a model's bundle to the executors, once, whatever Spark allows there.

A *bundle* is the one Arrow file that :meth:`bigdl_caffe.Model.write_bundle` writes. It
travels in one of the ways of `WAYS`; `ship` picks the cheapest that the session allows:

========== ==================================================================== ===========
mapped     broadcast; workers map the file that their executor keeps on disk    one copy
file       broadcast; the first worker writes a file that all others map        one copy
artifact   session artifact, or ``SparkContext.addFile``; workers map the file  one copy
copy       broadcast; each worker keeps its own copy in memory, none on disk    one each
========== ==================================================================== ===========

``spark.bigdl.caffe.ship`` overrides the choice.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.ways import WAYS, Shipped, can_map, is_connect

if TYPE_CHECKING:
    from bigdl_caffe.model import Model

CONF = "spark.bigdl.caffe.ship"
"""Name of the Spark setting that overrides the way."""

_log = logging.getLogger(__name__)

# A bundle lives as long as a model or a DataFrame that was made with it. It is never
# destroyed outright: a lazy DataFrame may outlive the model. Spark's own cleaner frees a
# broadcast's blocks when nothing refers to it any more; the driver's temporary file of it
# stays until the context stops.
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
    way = _choose(spark)
    bundle = model.bundle()
    key = (_session(spark), bundle.content_hash, way)
    shipped = _shipped.get(key)
    if shipped is None:
        shipped = _shipped[key] = WAYS[way].send(spark, bundle)
        size, means = shipped.parcel.size / 1e6, WAYS[way].means
        _log.info("Sent model %.12s (%.1f MB), way '%s': %s", bundle.content_hash, size, way, means)
    _kept.setdefault(model, {})[_session(spark), way] = shipped
    return shipped


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
            f"(possible: {', '.join(possible)}): leave it out, or set one of those"
        )
    return asked


def _possible(spark: SparkSession) -> tuple[str, ...]:
    """Return the ways open to this session, the cheapest first."""
    if is_connect(spark):
        return ("artifact",)
    if spark.conf.get("spark.io.encryption.enabled", "false") == "true":
        return ("copy",)  # every other way would leave the weights on disk in the clear
    return (("mapped",) if can_map(spark) else ()) + ("file", "artifact", "copy")


def _session(spark: SparkSession) -> str:
    if is_connect(spark):
        return str(getattr(spark, "session_id"))  # noqa: B009 - of Connect's session alone
    return spark.sparkContext.applicationId
