"""Files where only the driver's Hadoop can reach, as `bigdl_caffe.format.paths` asks for them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from py4j.protocol import Py4JJavaError
from pyarrow import fs
from pyspark.sql import SparkSession

_ERRORS: dict[str, type[OSError]] = {
    "FileNotFoundException": FileNotFoundError,
    "NotInMountpointException": FileNotFoundError,
    "AccessControlException": PermissionError,
}


class HadoopFiles:
    """The part of pyarrow's FileSystem that is needed; paths are whole URIs.

    Parameters
    ----------
    spark : SparkSession
        Whose Hadoop configuration says how each scheme is reached. Not one of Connect.

    Raises
    ------
    OSError
        From every method, for what Hadoop refuses.
    """

    def __init__(self, spark: SparkSession) -> None:
        self._java: Any = spark._jvm
        self._conf = spark._jsc.hadoopConfiguration()

    def knows(self, uri: str) -> bool:
        """Return whether Hadoop has a file system for such URIs."""
        try:
            self._java.org.apache.hadoop.fs.FileSystem.getFileSystemClass(
                uri.split(":", 1)[0], self._conf
            )
        except Py4JJavaError:
            return False
        return True

    def open_input_file(self, uri: str) -> BinaryIO:
        """Open a local copy, which goes away when it is closed."""
        with self._at(uri) as (system, place), _scratch() as copy:
            system.copyToLocalFile(False, place, self._place(str(copy)), True)
            return copy.open("rb")

    @contextmanager
    def open_output_stream(self, uri: str) -> Iterator[BinaryIO]:
        """Give a local file that becomes the one at ``uri``."""
        with _scratch() as copy:
            with copy.open("wb") as file:
                yield file
            with self._at(uri) as (system, place):
                system.copyFromLocalFile(False, True, self._place(str(copy)), place)

    def get_file_info(self, of: str | fs.FileSelector) -> Any:
        """Return what is at a URI, or in a folder."""
        if isinstance(of, str):
            with self._at(of) as (system, place):
                found = system.exists(place)
                return fs.FileInfo(of, fs.FileType.File if found else fs.FileType.NotFound)
        with self._at(of.base_dir) as (system, place):
            listed = system.listStatus(place) if system.exists(place) else ()
            return [_info(status) for status in listed]

    def delete_file(self, uri: str) -> None:
        """Delete a file."""
        with self._at(uri) as (system, place):
            system.delete(place, False)

    def move(self, uri: str, to: str) -> None:
        """Move a file to a place, over what is there."""
        with self._at(uri) as (system, place):
            system.delete(self._place(to), False)
            if not system.rename(place, self._place(to)):
                raise OSError(f"{place} could not be renamed to {to}")

    @contextmanager
    def _at(self, uri: str) -> Iterator[tuple[Any, Any]]:
        """Give Hadoop's file system and the place on it; its errors become Python's."""
        place = self._place(uri)
        try:
            yield place.getFileSystem(self._conf), place
        except Py4JJavaError as error:
            java = error.java_exception
            kind = _ERRORS.get(java.getClass().getSimpleName(), OSError)
            raise kind(str(java.getMessage() or java).splitlines()[0]) from None

    def _place(self, uri: str) -> Any:
        return self._java.org.apache.hadoop.fs.Path(uri)


def _info(status: Any) -> fs.FileInfo:
    kind = fs.FileType.File if status.isFile() else fs.FileType.Directory
    return fs.FileInfo(status.getPath().getName(), kind)


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a place for a local copy; a file that is open outlives it."""
    with tempfile.TemporaryDirectory(prefix="bigdl-caffe-") as folder:
        yield Path(os.path.join(folder, "copy"))
