"""Databases written for the tests, by the packages that others write them with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe.format._pb import caffe_pb2 as pb

KINDS = ("LMDB", "LEVELDB")


def write(folder: Path, kind: str, items: Mapping[bytes, bytes]) -> Path:
    """Write a database of ``items`` at ``folder``."""
    if kind == "LMDB":
        lmdb = pytest.importorskip("lmdb", reason="writes the database to read")
        with lmdb.open(str(folder), map_size=1 << 28) as made, made.begin(write=True) as writer:
            for key, value in items.items():
                writer.put(key, value)
        return folder
    plyvel = pytest.importorskip("plyvel", reason="writes the database to read")
    made = plyvel.DB(str(folder), create_if_missing=True)
    for key, value in items.items():
        made.put(key, value)
    made.close()
    return folder


def picture(seed: int, *shape: int) -> np.ndarray[Any, Any]:
    """Return random bytes, (channels, height, width)."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def datum(image: np.ndarray[Any, Any], label: int = 0) -> pb.Datum:
    """Return ``image`` (channels, height, width) as a raw Datum."""
    channels, height, width = image.shape
    size = {"channels": channels, "height": height, "width": width}
    if image.dtype == np.uint8:
        return pb.Datum(data=image.tobytes(), label=label, **size)
    return pb.Datum(float_data=image.ravel().tolist(), label=label, **size)


def write_pictures(folder: Path, kind: str, images: list[np.ndarray[Any, Any]]) -> Path:
    """Write ``images`` as raw Datum messages, the label of each its place."""
    items = {b"%08d" % i: datum(image, i).SerializeToString() for i, image in enumerate(images)}
    return write(folder, kind, items)
