"""Models' files where Spark keeps things: on any file system that its Hadoop is set up for.

On Spark Connect, where this process has no Hadoop, they are reached as
:mod:`bigdl_caffe.format.paths` reaches them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format import paths
from bigdl_caffe.model import Model
from bigdl_caffe.spark.ways import is_connect


class Storage:
    """Files as this process sees them."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def exists(self, path: str) -> bool:
        """Return whether there is a file or folder."""
        return paths.exists(path)

    def delete(self, path: str) -> None:
        """Delete a file, or a folder and all in it."""
        from pyspark.ml.connect.readwrite import RemoteMLWriter  # needs the packages of Connect

        RemoteMLWriter.handleOverwrite(path, True)

    def write(self, model: Model, path: str) -> str:
        """Write a model's file, and its folder if need be; return the content hash.

        Raises
        ------
        CaffeError
            It cannot be written, or Spark's server does not see what was written from here.
        """
        content_hash = _write(model, path)
        try:
            self._spark.read.format("binaryFile").load(path).select("length").collect()
        except PySparkException as error:
            raise CaffeError(
                f"Spark's server does not see {path}, which was written from here: save to a "
                "place that both reach, as hdfs: or s3:"
            ) from error
        return content_hash

    def read(self, path: str) -> Model:
        """Return the model of a file, which is mapped where it is local."""
        return Model.open_bundle(path)


class HadoopStorage(Storage):
    """Files as Hadoop sees them."""

    def exists(self, path: str) -> bool:
        """Return whether there is a file or folder."""
        system, place = self._at(path)
        return bool(system.exists(place))

    def delete(self, path: str) -> None:
        """Delete a file, or a folder and all in it."""
        system, place = self._at(path)
        system.delete(place, True)

    def write(self, model: Model, path: str) -> str:
        """Write a model's file, and its folder if need be; return the content hash."""
        system, place = self._at(path)
        if local := _local(place):
            return _write(model, local)
        with _scratch(path) as copy:
            content_hash = model.write_bundle(copy)
            system.copyFromLocalFile(self._place(str(copy)), place)
        return content_hash

    def read(self, path: str) -> Model:
        """Return the model of a file, which is mapped where it is local."""
        system, place = self._at(path)
        if local := _local(place):
            return super().read(local)
        with _scratch(path) as copy:
            if system.exists(place):
                system.copyToLocalFile(False, place, self._place(str(copy)), True)
            return super().read(str(copy))

    def _at(self, path: str) -> tuple[Any, Any]:
        """Return Hadoop's file system and the place on it."""
        place = self._place(path)
        system = place.getFileSystem(self._spark._jsc.hadoopConfiguration())
        return system, system.makeQualified(place)

    def _place(self, path: str) -> Any:
        java: Any = self._spark._jvm
        return java.org.apache.hadoop.fs.Path(path)


def storage(spark: SparkSession) -> Storage:
    """Return what the session has."""
    return Storage(spark) if is_connect(spark) else HadoopStorage(spark)


def _write(model: Model, path: str) -> str:
    local = paths.local_path(path)
    if local is not None:
        with paths.explained(path):
            local.parent.mkdir(parents=True, exist_ok=True)
    return model.write_bundle(path)


def _local(place: Any) -> str:
    """Return the local path of Hadoop's, "" for one that is elsewhere."""
    return str(place.toUri().getPath()) if place.toUri().getScheme() == "file" else ""


@contextmanager
def _scratch(path: str) -> Iterator[Path]:
    """Give a place for a local copy, which goes away with the context; what is mapped stays."""
    with TemporaryDirectory(prefix="bigdl-caffe-") as folder:
        yield Path(folder) / os.path.basename(path)
