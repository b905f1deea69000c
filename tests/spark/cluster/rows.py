"""A table of small images with columns beside them, and what must come of each row."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from bigdl_caffe import Model
from bigdl_caffe.image.transform import batch
from tests.nets import DIGITS

PICTURES = 997
BROKEN = 100
"""One row in so many is broken."""


def pictures() -> list[bytes]:
    """Return the example's scans in many sizes, as PNG and as JPEG."""
    scans = [Image.open(path) for path in sorted((DIGITS / "images").iterdir())]
    return [_encoded(scans[i % len(scans)], i) for i in range(PICTURES)]


def _encoded(scan: Image.Image, i: int) -> bytes:
    file = io.BytesIO()
    size = (8 + i % 5 * 4, 8 + i % 7 * 3)
    scan.resize(size, Image.Resampling.BILINEAR).save(file, ("PNG", "JPEG")[i % 2])
    return file.getvalue()


@dataclass(frozen=True)
class Rows:
    """``count`` rows in ``files`` Parquet files."""

    folder: Path
    count: int
    files: int

    def write(self) -> Rows:
        """Write the files."""
        self.folder.mkdir()
        known = pictures()
        broken = [b"no picture", known[0][:40], b"", None]
        values = pa.array([*known, *broken], pa.binary())
        ids = np.arange(self.count)
        which = np.where(self.broken(), PICTURES + ids // BROKEN % len(broken), ids % PICTURES)
        table = beside(ids).append_column("image", values.take(pa.array(which)))
        each = self.count // self.files
        for file in range(self.files):
            path = self.folder / f"{file:02}.parquet"
            pq.write_table(table.slice(file * each, each), path)
        return self

    def broken(self) -> npt.NDArray[np.bool_]:
        """Return which rows are."""
        return np.arange(self.count) % BROKEN == BROKEN // 2

    def check(self, folder: Path, model: Model) -> None:
        """Check that the folder's Parquet has every row once, as it was, with its numbers."""
        found = pq.read_table(folder).sort_by("id")
        ids = np.arange(self.count)
        assert found["id"].to_numpy().tolist() == ids.tolist()
        names = beside(ids[:1]).schema.names
        assert found.select(names).cast(beside(ids[:1]).schema).equals(beside(ids))
        failed = found["error"].is_valid().to_numpy()
        np.testing.assert_array_equal(failed, self.broken())
        np.testing.assert_array_equal(found["prob"].is_null().to_numpy(), failed)
        values = found["prob"].combine_chunks().flatten().to_numpy().reshape(-1, 10)
        expected = answers(model)[ids[~failed] % PICTURES]
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)


def beside(ids: npt.NDArray[np.int64]) -> pa.Table:
    """Return the columns that scoring has to leave as they are."""
    tags: list[Any] = [[f"t{i % 7}"] * (i % 3) if i % 5 else None for i in ids.tolist()]
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "my.name": pa.array([f"row {i}" for i in ids.tolist()]),
            "tags": pa.array(tags, pa.list_(pa.string())),
        }
    )


def answers(model: Model) -> npt.NDArray[np.float32]:
    """Return what the model makes of each picture, in plain Python."""
    made = batch(model.recipe(), pictures())
    assert len(made.rows) == PICTURES
    return model.run({"data": made.array}, ["prob"])["prob"]
