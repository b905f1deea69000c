"""The ways in which a bundle travels from the driver to the workers.

Each has two ends: ``send`` runs on the driver, ``receive`` on a worker, where it gives a
path that can be mapped and whose bytes are those that were sent. Which way is taken is
:mod:`bigdl_caffe.spark.ship`'s business.
"""

from __future__ import annotations

from bigdl_caffe.spark.ways import artifact, carried, mapped, shared
from bigdl_caffe.spark.ways.artifact import is_connect
from bigdl_caffe.spark.ways.carried import destroy
from bigdl_caffe.spark.ways.parcel import Parcel, Shipped, Way, nothing_to_free

__all__ = ["WAYS", "Parcel", "Shipped", "Way", "is_connect"]

WAYS = {
    "path": Way(
        "workers map the file in the shared folder, or fetch it once per executor",
        shared.send,
        shared.receive,
        nothing_to_free,
    ),
    "mapped": Way(
        "workers map their executor's broadcast file", mapped.send, mapped.receive, destroy
    ),
    "file": Way(
        "workers map one file per executor", carried.sender("file"), carried.receive_file, destroy
    ),
    "artifact": Way(
        "workers map the file they are sent", artifact.send, artifact.receive, nothing_to_free
    ),
    "copy": Way(
        "each worker holds a copy in memory",
        carried.sender("copy"),
        carried.receive_copy,
        destroy,
    ),
}
"""Every way by the name that ``spark.bigdl.caffe.ship`` knows it by."""
