"""Let a Python program answer what the Scala and Java code in its own JVM asks."""

from __future__ import annotations

import threading
import uuid

from py4j.java_gateway import JavaClass
from pyspark.sql import SparkSession

from bigdl_caffe import __version__
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import also_through
from bigdl_caffe.jvm.answering import answer_all
from bigdl_caffe.jvm.jar import jar_path
from bigdl_caffe.spark.hadoop import HadoopFiles
from bigdl_caffe.spark.ways import is_connect

_PROGRAM = str(uuid.uuid4())
"""Which this is: a notebook's JVM can outlive its Python, and the next then serves."""


def serve(spark: SparkSession) -> None:
    """Answer the calls of this application's JVM in this process, until the application ends.

    For PySpark programs and notebooks that call Scala or Java code which uses ``bigdl_caffe``.
    Without it, such code starts a Python process of its own. Calling it again changes nothing.

    Parameters
    ----------
    spark : SparkSession
        Not one of Spark Connect, whose JVM is elsewhere.

    Raises
    ------
    CaffeError
        The jar is not on the JVM's class path, or is of another version.
    """
    if is_connect(spark):
        raise CaffeError("Spark Connect has no JVM here: serve a session of Spark itself")
    python = spark._jvm.bigdl_caffe.jvm.Python  # type: ignore[union-attr]  # there is one
    if not isinstance(python, JavaClass):
        raise CaffeError(
            f"the JVM has no bigdl_caffe: make the session with .config('spark.jars', "
            f"'{jar_path()}'), which `bigdl-caffe jar` prints"
        )
    if python.version() != __version__:
        raise CaffeError(
            f"the jar is of bigdl_caffe {python.version()}, and this is {__version__}: take the "
            f"one that `bigdl-caffe jar` prints"
        )
    also_through(HadoopFiles(spark))
    if (service := python.host(_PROGRAM)) is not None:
        name = "bigdl-caffe-serve"
        threading.Thread(target=answer_all, args=(service,), name=name, daemon=True).start()
