"""The way "path": a file in a folder that the driver and all executors reach."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import exists, local_path, open_input, upload_together
from bigdl_caffe.spark.ways.folder import checked, fetched
from bigdl_caffe.spark.ways.parcel import Parcel, Sealed, Shipped

if TYPE_CHECKING:
    from bigdl_caffe.bundle import Bundle

FOLDER = "spark.bigdl.caffe.ship.path"
"""Name of the Spark setting that names the folder."""

_MODE = 0o644


def send(spark: SparkSession, bundle: Bundle) -> Shipped:
    """Write ``bundle`` into the folder, unless it is there already.

    Raises
    ------
    CaffeError
        The folder is not there, or may not be written to.
    """
    folder = str(spark.conf.get(FOLDER))
    parcel = _measure(bundle)
    # Other versions of Arrow may write other bytes of the same model: those get another name.
    uri = f"{folder.rstrip('/')}/{parcel.content_hash}-{parcel.digest[:16]}.arrow"
    local = local_path(uri)
    if not exists(uri):
        _write_remote(uri, bundle) if local is None else _write_local(local, bundle)
    return Shipped("path", parcel, uri)


@contextmanager
def receive(shipped: Shipped) -> Iterator[Path]:
    """Give the file itself where it is local, else the executor's copy of it."""
    local = local_path(shipped.carrier)
    if local is not None:
        yield checked(local, shipped.parcel)
        return

    def fetch(path: Path) -> None:
        with open_input(shipped.carrier) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)

    with fetched(shipped.parcel, fetch) as path:
        yield path


def _measure(bundle: Bundle) -> Parcel:
    with open(os.devnull, "wb") as nowhere:
        sealed = Sealed(nowhere)
        bundle.write_bundle(sealed)  # type: ignore[arg-type]  # typeshed: RawIOBase is no IO[bytes]
    return sealed.parcel(bundle.content_hash)


def _write_local(path: Path, bundle: Bundle) -> None:
    """Write a file that others may read, as executors may be others, but not write to."""
    bundle.write_bundle(path)
    path.chmod(path.stat().st_mode & _MODE)


def _write_remote(uri: str, bundle: Bundle) -> None:
    with tempfile.TemporaryDirectory(prefix="bigdl-caffe-") as folder:
        part = Path(folder) / "part"
        bundle.write_bundle(part)
        try:
            upload_together({uri: part})
        except CaffeError:
            if not exists(uri):  # another job may have been quicker
                raise
