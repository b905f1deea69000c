"""Where a job's result goes: it appears whole or not at all, wherever Hadoop can write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import local_path

_OURS = ("part-", "_", ".")
"""What the names of a Parquet's own files begin with."""


def check_free(output: str, overwrite: bool) -> None:
    """Refuse a local ``output`` that is there already, before Spark is started for nothing.

    Raises
    ------
    CaffeError
        It is, and is not to be overwritten.
    """
    local = local_path(output)
    if local is not None and local.exists() and not overwrite:
        raise _taken(output)


@contextmanager
def replaced(
    spark: SparkSession, output: str, overwrite: bool, inputs: Callable[[], Sequence[str]]
) -> Iterator[str]:
    """Give a hidden folder beside ``output``, which takes its place if the context ends well.

    Else the folder is deleted, and what was at ``output`` is still there.

    Parameters
    ----------
    inputs : callable
        Returns the URIs of the files that are read, asked for if something is at ``output``.

    Raises
    ------
    CaffeError
        ``output`` is there and not to be overwritten, or holds an input, or a file that no
        earlier run wrote.
    """
    java: Any = spark._jvm
    given = java.org.apache.hadoop.fs.Path(output)
    system = given.getFileSystem(spark._jsc.hadoopConfiguration())
    target = system.makeQualified(given)
    if system.exists(target):
        if not overwrite:
            raise _taken(output)
        names = [status.getPath().getName() for status in system.listStatus(target)]
        _check_replaceable(target.toUri().toString(), names, inputs())
    hidden = f".{target.getName()}._tmp-{spark.sparkContext.applicationId}"
    new = java.org.apache.hadoop.fs.Path(target.getParent(), hidden)
    try:
        yield new.toString()
    except BaseException:
        system.delete(new, True)
        raise
    old = java.org.apache.hadoop.fs.Path(target.getParent(), hidden.replace("_tmp", "_old"))
    if overwrite and system.exists(target):
        system.rename(target, old)
    # A rename to a folder that is there would move the result into that folder.
    if system.exists(target) or not system.rename(new, target):
        if system.exists(old) and not system.exists(target):
            system.rename(old, target)
        raise CaffeError(f"the result could not be moved to {output}: it is in {new.toString()}")
    system.delete(old, True)


def _taken(output: str) -> CaffeError:
    return CaffeError(f"{output} is there already: choose another --output, or add --overwrite")


def _check_replaceable(target: str, names: Sequence[str], inputs: Sequence[str]) -> None:
    """Refuse a folder that holds an input, or a file that no earlier run wrote."""
    if held := [uri for uri in inputs if _is_under(uri, target)]:
        raise CaffeError(f"--output {target} holds the input {held[0]}: choose another place")
    if other := sorted(name for name in names if not name.startswith(_OURS)):
        raise CaffeError(
            f"{target} holds '{other[0]}', which no earlier run wrote: it is not overwritten; "
            "remove it yourself, or choose another --output"
        )


def _is_under(uri: str, folder: str) -> bool:
    """Whether one URI is the other or lies under it."""
    return f"{_real(uri)}/".startswith(_real(folder).rstrip("/") + "/")


def _real(uri: str) -> str:
    """Return the URI, a local one in one spelling: no symbolic links, file:///a for file:/a."""
    local = local_path(uri)
    return uri if local is None else local.resolve().as_uri()
