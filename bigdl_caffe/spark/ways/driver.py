"""The driver's folders: where weights lie on its disk, for no other user to read."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyspark import SparkContext, SparkFiles


def home() -> Path:
    """Return a folder for weights, which Spark removes when the context stops."""
    folder = Path(SparkFiles.getRootDirectory()) / "bigdl-caffe"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def shut_block_folders(context: SparkContext) -> None:
    """Close the driver's block folders to other users.

    Spark makes them, and the parts of broadcasts that it moves there when memory is short,
    readable by all. On a cluster its executors' folders lie in closed ones, and YARN closes
    the driver's too (its shuffle service has to enter those).
    """
    if str(context.master).startswith("yarn"):
        return
    jvm: Any = context._jvm
    roots = jvm.org.apache.spark.util.Utils.getConfiguredLocalDirs(context._jsc.sc().conf())
    for folder in (f for root in roots for f in Path(root).glob("blockmgr-*")):
        with suppress(FileNotFoundError):  # another application's, which ended
            if folder.stat().st_uid == os.getuid():
                folder.chmod(0o700)
