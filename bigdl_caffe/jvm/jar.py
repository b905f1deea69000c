"""Where the jar is."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.cache import keep

NAME = "bigdl-caffe.jar"


def jar_path() -> str:
    """Return the local path of the jar for Scala and Java: one for Spark 3.5 and 4.x.

    A package that is imported from a zip has it unpacked in the user's cache folder, under
    a name that its contents give: it is written once, and never another's.

    Returns
    -------
    str
        What ``spark.jars`` and ``--jars`` take.

    Raises
    ------
    CaffeError
        The installation lacks the jar, or the cache folder may not be written.

    Examples
    --------
    >>> SparkSession.builder.config("spark.jars", jar_path()).getOrCreate()
    """
    packed = resources.files("bigdl_caffe.jvm") / NAME
    if not packed.is_file():
        raise CaffeError(
            f"{packed} is missing: install the package again, or run `make jar` in a clone of it"
        )
    if isinstance(packed, Path):
        return str(packed)
    return str(keep(NAME, packed.read_bytes(), 0o600, "install the package unzipped"))
