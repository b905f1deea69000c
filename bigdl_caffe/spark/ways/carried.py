"""The ways "file" and "copy": a plain broadcast of the bundle's bytes."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.ways.driver import shut_block_folders
from bigdl_caffe.spark.ways.folder import fetched
from bigdl_caffe.spark.ways.parcel import Sealed, Shipped, compare

if TYPE_CHECKING:
    from bigdl_caffe.bundle import Bundle


def sender(way: str) -> Callable[[SparkSession, Bundle], Shipped]:
    """Return what broadcasts a bundle's bytes, for ``way``."""

    def send(spark: SparkSession, bundle: Bundle) -> Shipped:
        memory = io.BytesIO()  # no file: under encryption the weights must not reach the disk
        sealed = Sealed(memory)
        bundle.write_bundle(sealed)  # type: ignore[arg-type]  # typeshed: RawIOBase is no IO[bytes]
        shut_block_folders(spark.sparkContext)
        carrier = spark.sparkContext.broadcast(memory.getvalue())
        return Shipped(way, sealed.parcel(bundle.content_hash), carrier)

    return send


@contextmanager
def receive_file(shipped: Shipped) -> Iterator[Path]:
    """Give the file that the executor's first worker wrote."""

    def fetch(path: Path) -> None:
        path.write_bytes(_take_value(shipped.carrier))

    with fetched(shipped.parcel, fetch) as path:
        yield path


@contextmanager
def receive_copy(shipped: Shipped) -> Iterator[Path]:
    """Give a file in this worker's memory."""
    if not hasattr(os, "memfd_create"):
        raise CaffeError(
            "spark.io.encryption.enabled keeps the weights off disk, and holding them in a file "
            "in memory takes Linux: run the executors on Linux, or turn the encryption off"
        )
    handle = os.memfd_create("bigdl-caffe")
    try:
        with os.fdopen(handle, "wb", closefd=False) as out:
            out.write(_take_value(shipped.carrier))
        path = Path(f"/proc/self/fd/{handle}")
        compare(path, shipped.parcel)
        yield path
    finally:
        os.close(handle)


def destroy(shipped: Shipped) -> None:
    """Free a broadcast's blocks on every executor, and its file on the driver; wait for neither."""
    with suppress(Py4JError, FileNotFoundError):  # of a context that has stopped: all is freed
        shipped.carrier.destroy()


def _take_value(carrier: Any) -> bytes:
    """Return a broadcast's value without leaving it in the worker's memory."""
    value: bytes = carrier.value
    vars(carrier).pop("_value", None)
    return value
