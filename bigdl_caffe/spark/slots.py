"""Whether a Spark session can run a barrier stage, said before it is tried."""

from __future__ import annotations

import re
import time

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.ways import is_connect

_LOOK = 0.5


def driver_host(spark: SparkSession) -> str:
    """Return by which name the executors know the driver."""
    return str(spark.sparkContext.getConf().get("spark.driver.host", "localhost"))


def check_session(spark: SparkSession, ranks: int, timeout: float) -> None:
    """Wait until there is room for all ranks at once.

    Parameters
    ----------
    spark : SparkSession
    ranks : int
    timeout : float
        Seconds that executors may take to come. Spark itself would wait for many minutes.

    Raises
    ------
    CaffeError
        The session is one of Spark Connect, allocates executors dynamically, or has too few
        slots.
    """
    if is_connect(spark):
        raise CaffeError(
            "training needs the classic Spark session of a driver, and this one is of Spark "
            "Connect: submit the program with spark-submit"
        )
    local = re.match(r"local(\[|$)", str(spark.sparkContext.master)) is not None
    if not local and spark.conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        raise CaffeError(
            "all workers of a training have to run at once, which Spark refuses to do with "
            "spark.dynamicAllocation.enabled=true: set it to false, and spark.executor.instances "
            "to how many executors you want"
        )
    end = time.monotonic() + (0 if local else timeout)
    while (slots := room(spark)) is not None and slots < ranks:
        if time.monotonic() >= end:
            raise CaffeError(
                f"numWorkers is {ranks}, and there is room for {slots} tasks at once: give "
                "numWorkers of at most that, or the session more cores, or spark.task.cpus fewer"
            )
        time.sleep(_LOOK)


def room(spark: SparkSession) -> int | None:
    """Return how many tasks can run at once now; None where Spark does not tell."""
    context = spark.sparkContext._jsc.sc()
    try:
        profile = context.resourceProfileManager().defaultResourceProfile()
        return int(context.maxNumConcurrentTasks(profile))
    except Py4JError:  # these are Spark's own methods, of which no release promises anything
        return None
