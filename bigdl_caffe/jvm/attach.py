"""Take part, as a Python driver, in a Spark application that a JVM began."""

from __future__ import annotations

import threading
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from bigdl_caffe.format.paths import also_through
from bigdl_caffe.spark.hadoop import HadoopFiles

_ONE_AT_A_TIME = threading.Lock()


def session(java: Any) -> SparkSession:
    """Return the Python side of a session of the JVM.

    Parameters
    ----------
    java : JavaObject
        The JVM's SparkSession.
    """
    with _ONE_AT_A_TIME:
        context = SparkContext._active_spark_context or _begin(java)
    return SparkSession(context, java)


def _begin(java: Any) -> SparkContext:
    """Attach; the JVM keeps its default session, which PySpark's first session would become."""
    context = _context(java)
    assert context._jvm is not None  # the context came from it
    sessions = context._jvm.org.apache.spark.sql.SparkSession
    default = sessions.getDefaultSession()
    SparkSession(context, default.get() if default.isDefined() else java)
    sessions.setActiveSession(java)  # as it was before
    also_through(HadoopFiles(SparkSession(context, java)))
    return context


def _context(java: Any) -> SparkContext:
    gateway = SparkContext._gateway
    assert gateway is not None  # the process began by making it
    jvm = gateway.jvm
    of = jvm.org.apache.spark.api.java.JavaSparkContext.fromSparkContext
    java_context = of(java.sparkContext())
    conf = SparkConf(_jvm=jvm, _jconf=java_context.getConf())
    return SparkContext(gateway=gateway, jsc=java_context, conf=conf)
