"""The way "artifact": a file of the session, which Spark brings to every executor."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark import SparkFiles
from pyspark.sql import SparkSession

from bigdl_caffe.spark.ways.driver import home
from bigdl_caffe.spark.ways.folder import checked
from bigdl_caffe.spark.ways.parcel import Sealed, Shipped

if TYPE_CHECKING:
    from bigdl_caffe.bundle import Bundle


def is_connect(spark: SparkSession) -> bool:
    """Whether ``spark`` is a Spark Connect session, which has no SparkContext."""
    return ".connect." in type(spark).__module__


def send(spark: SparkSession, bundle: Bundle) -> Shipped:
    """Add ``bundle`` to the session's files."""
    with tempfile.TemporaryDirectory(prefix="bigdl-caffe-") as folder:
        path = Path(folder) / f"bigdl-caffe-{bundle.content_hash}.arrow"
        with path.open("wb") as file:
            sealed = Sealed(file)
            bundle.write_bundle(sealed)  # type: ignore[arg-type]  # typeshed: RawIOBase is no IO
        if is_connect(spark):
            spark.addArtifacts(str(path), file=True)
        else:
            # Executors fetch the file from the driver when they first need it: it has to stay.
            spark.sparkContext.addFile(str(shutil.move(path, home())))
    return Shipped("artifact", sealed.parcel(bundle.content_hash), path.name)


@contextmanager
def receive(shipped: Shipped) -> Iterator[Path]:
    """Give the session's file."""
    yield checked(_find(Path(SparkFiles.getRootDirectory()), shipped.carrier), shipped.parcel)


def _find(root: Path, name: str) -> Path:
    """Return the file's place: Connect has a folder a session, of which streams are not told."""
    path = root / name
    return path if path.exists() else next(root.glob(f"*/{name}"), path)
