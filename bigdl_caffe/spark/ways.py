"""The ways in which a bundle travels from the driver to the workers.

Each way is a pair: ``send`` runs on the driver, ``receive`` on a worker, where it gives a
path that can be mapped. Which one is taken is :mod:`bigdl_caffe.spark.ship`'s business.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pyspark import Broadcast, SparkFiles
from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError, CaffeFormatError

if TYPE_CHECKING:
    from bigdl_caffe.bundle import Bundle

PAGE = 4096
"""A bundle inside a broadcast file starts at this byte, so that its buffers stay aligned."""

_MAGIC = b"ARROW1"
_BLOCK = 1 << 20
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class Parcel:
    """What a worker must find.

    Attributes
    ----------
    content_hash : str
        Of the model.
    size, offset : int
        Bytes of the Arrow file, and the byte of the carrying file at which it starts.
    digest : str
        BLAKE2b of the Arrow file; empty where reading all of it is not worth its time.
    """

    content_hash: str
    size: int
    offset: int = 0
    digest: str = ""


@dataclass(frozen=True, eq=False)
class Shipped:
    """A bundle under way: which way, what it is, and the broadcast or file name it comes by."""

    way: str
    parcel: Parcel
    carrier: Any


@dataclass(frozen=True)
class Way:
    """Both ends of one way, and what it means in words for the log."""

    means: str
    send: Callable[[SparkSession, Bundle], Shipped]
    receive: Callable[[Shipped], AbstractContextManager[Path]]


# --- mapped ---------------------------------------------------------------------------


class _MappedBroadcast(Broadcast[Any]):
    """A broadcast whose file holds a small pickle and, on the next page, a model's bundle.

    Unpickling stops at the pickle's end, so ``value`` is the model's content hash, and the
    rest of the file is there to be mapped.
    """

    def dump(self, value: Bundle, f: BinaryIO) -> None:
        """Write the bundle ``value`` to ``f``."""
        f.write(pickle.dumps(value.content_hash).ljust(PAGE, b"\0"))
        value.write_bundle(f)
        f.close()


def is_connect(spark: SparkSession) -> bool:
    """Whether ``spark`` is a Spark Connect session, which has no SparkContext."""
    return ".connect." in type(spark).__module__


def can_map(spark: SparkSession) -> bool:
    """Whether this pyspark has the private parts that the mapped way leans on."""
    return hasattr(Broadcast, "dump") and hasattr(spark.sparkContext, "_pickled_broadcast_vars")


def _send_mapped(spark: SparkSession, bundle: Bundle) -> Shipped:
    context = spark.sparkContext
    carrier = _MappedBroadcast(context, bundle, context._pickled_broadcast_vars)
    size = Path(carrier._path).stat().st_size - PAGE
    return Shipped("mapped", Parcel(bundle.content_hash, size, PAGE), carrier)


@contextmanager
def _receive_mapped(shipped: Shipped) -> Iterator[Path]:
    path = Path(shipped.carrier._path)
    yield _checked(path, shipped.parcel)


# --- file -----------------------------------------------------------------------------


def _send_bytes(way: str) -> Callable[[SparkSession, Bundle], Shipped]:
    def send(spark: SparkSession, bundle: Bundle) -> Shipped:
        memory = io.BytesIO()  # no file: under encryption the weights must not reach the disk
        bundle.write_bundle(memory)
        value = memory.getvalue()
        digest = hashlib.blake2b(value, digest_size=_DIGEST_BYTES).hexdigest()
        parcel = Parcel(bundle.content_hash, len(value), digest=digest)
        return Shipped(way, parcel, spark.sparkContext.broadcast(value))

    return send


@contextmanager
def _receive_file(shipped: Shipped) -> Iterator[Path]:
    path = _own_folder() / f"{shipped.parcel.content_hash}-{shipped.parcel.digest}.arrow"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            part = Path(folder) / path.name
            part.touch(mode=0o600)
            part.write_bytes(_take_value(shipped.carrier))
            os.replace(_checked(part, shipped.parcel), path)
    # Only verified bytes get that name: reading them all again would cost what sharing saves.
    yield _checked(path, replace(shipped.parcel, digest=""))


def _take_value(carrier: Any) -> bytes:
    """Return a broadcast's value without leaving it in the worker's memory."""
    value: bytes = carrier.value
    vars(carrier).pop("_value", None)
    return value


def _own_folder() -> Path:
    """Return a folder for this user alone, in the executor's local folder.

    Raises
    ------
    CaffeError
        Someone else owns the folder or can write to it.
    """
    root = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0] or tempfile.gettempdir()
    folder = Path(root) / f"bigdl-caffe-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise CaffeError(
            f"{folder} belongs to someone else or is open to others: "
            "remove it, or point spark.local.dir elsewhere"
        )
    return folder


# --- artifact -------------------------------------------------------------------------


def _send_artifact(spark: SparkSession, bundle: Bundle) -> Shipped:
    with tempfile.TemporaryDirectory(prefix="bigdl-caffe-") as folder:
        path = Path(folder) / f"bigdl-caffe-{bundle.content_hash}.arrow"
        bundle.write_bundle(path)
        parcel = Parcel(bundle.content_hash, path.stat().st_size, digest=_digest(path))
        if is_connect(spark):
            spark.addArtifacts(str(path), file=True)
        else:
            # Executors fetch the file from the driver when they first need it: it has to
            # stay, and Spark removes this folder when the context stops.
            stay = Path(SparkFiles.getRootDirectory()) / "bigdl-caffe"
            stay.mkdir(exist_ok=True)
            spark.sparkContext.addFile(str(shutil.move(path, stay)))
        return Shipped("artifact", parcel, path.name)


@contextmanager
def _receive_artifact(shipped: Shipped) -> Iterator[Path]:
    yield _checked(Path(SparkFiles.get(shipped.carrier)), shipped.parcel)


# --- copy -----------------------------------------------------------------------------


@contextmanager
def _receive_copy(shipped: Shipped) -> Iterator[Path]:
    if not hasattr(os, "memfd_create"):
        raise CaffeError(
            "spark.io.encryption.enabled keeps the weights off disk, and holding them in a file "
            "in memory takes Linux: run the executors on Linux, or turn the encryption off"
        )
    handle = os.memfd_create("bigdl-caffe")
    try:
        with os.fdopen(handle, "wb", closefd=False) as out:
            out.write(_take_value(shipped.carrier))
        yield _checked(Path(f"/proc/self/fd/{handle}"), shipped.parcel)
    finally:
        os.close(handle)


# --------------------------------------------------------------------------------------


def _checked(path: Path, parcel: Parcel) -> Path:
    """Return ``path`` if it holds ``parcel``: by its magic, its length, and its digest if known."""
    try:
        size = path.stat().st_size - parcel.offset
        with path.open("rb") as file:
            file.seek(parcel.offset)
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise CaffeFormatError(f"the model did not arrive: {error}", str(path)) from error
    if magic != _MAGIC or size != parcel.size:
        raise CaffeFormatError(
            f"holds {size} bytes that start with {magic!r}, where the model of {parcel.size} bytes "
            f"starting with {_MAGIC!r} was sent: run the job again; if it recurs, the disk is bad",
            str(path),
            parcel.offset,
        )
    if parcel.digest and _digest(path) != parcel.digest:
        raise CaffeFormatError(
            "the model's bytes changed on the way: run the job again; if it recurs, the disk or "
            "the network is bad",
            str(path),
        )
    return path


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


WAYS = {
    "mapped": Way("workers map their executor's broadcast file", _send_mapped, _receive_mapped),
    "file": Way("workers map one file per executor", _send_bytes("file"), _receive_file),
    "artifact": Way("workers map the file they are sent", _send_artifact, _receive_artifact),
    "copy": Way("each worker holds a copy in memory", _send_bytes("copy"), _receive_copy),
}
"""Every way by the name that ``spark.bigdl.caffe.ship`` knows it by."""
