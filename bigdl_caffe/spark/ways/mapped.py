"""The way "mapped": a broadcast whose file, as each executor keeps it, is mapped as it lies."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO

from pyspark import Broadcast, SparkContext
from pyspark.sql import SparkSession

from bigdl_caffe.spark.ways.driver import home, shut_block_folders
from bigdl_caffe.spark.ways.folder import checked
from bigdl_caffe.spark.ways.parcel import Parcel, Sealed, Shipped

if TYPE_CHECKING:
    from bigdl_caffe.bundle import Bundle

PAGE = 4096
"""A bundle inside a broadcast file starts at this byte, so that its buffers stay aligned."""

_PRIVATE = ("_pickled_broadcast_vars", "_temp_dir", "_jvm", "_jsc", "_encryption_enabled")


class _MappedBroadcast(Broadcast[Any]):
    """A broadcast whose file holds a small pickle and, on the next page, a model's bundle.

    Unpickling stops at the pickle's end, so ``value`` is the model's content hash, and the
    rest of the file is there to be mapped.
    """

    parcel: Parcel

    def dump(self, value: Bundle, f: BinaryIO) -> None:
        """Write the bundle ``value`` to ``f``."""
        f.write(pickle.dumps(value.content_hash).ljust(PAGE, b"\0"))
        sealed = Sealed(f)
        value.write_bundle(sealed)  # type: ignore[arg-type]  # typeshed: RawIOBase is no IO[bytes]
        self.parcel = sealed.parcel(value.content_hash, PAGE)
        f.close()


def can_map(spark: SparkSession) -> bool:
    """Whether this pyspark has the private parts that the way leans on."""
    return hasattr(Broadcast, "dump") and all(hasattr(spark.sparkContext, p) for p in _PRIVATE)


def send(spark: SparkSession, bundle: Bundle) -> Shipped:
    """Broadcast ``bundle``."""
    context = spark.sparkContext
    shut_block_folders(context)
    _sweep()
    carrier = _MappedBroadcast(_at_home(context), bundle, context._pickled_broadcast_vars)
    jvm: Any = context._jvm
    _files[Path(carrier._path)] = jvm.java.lang.ref.WeakReference(carrier._jbroadcast)
    return Shipped("mapped", carrier.parcel, carrier)


@contextmanager
def receive(shipped: Shipped) -> Iterator[Path]:
    """Give the broadcast's file."""
    yield checked(Path(shipped.carrier._path), shipped.parcel)


def _at_home(context: SparkContext) -> Any:
    """Return what a broadcast takes of ``context``, with another folder for its file.

    Spark would keep the file until its JVM ends, which may see many contexts.
    """
    taken = {name: getattr(context, name) for name in _PRIVATE}
    return SimpleNamespace(**{**taken, "_temp_dir": str(home())})


_files: dict[Path, Any] = {}
"""Each broadcast's file on the driver, with a Java weak reference to the broadcast.

A lazy DataFrame, a view or a stream may outlive the model and all of Python's objects. In
local mode the workers map this very file, so it goes when Java has no more use for it.
"""


def _sweep() -> None:
    """Remove the files of broadcasts that Java has dropped."""
    for path, broadcast in list(_files.items()):
        if not path.exists() or broadcast.get() is None:
            path.unlink(missing_ok=True)
            del _files[path]
