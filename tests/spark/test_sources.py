"""Databases and HDF5 files as DataFrames."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from bigdl_caffe import Model
from bigdl_caffe.data import records
from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.image import decode
from bigdl_caffe.spark import sources
from bigdl_caffe.spark.sources.splits import ReadTask, Split
from tests.data.databases import KINDS, datum, picture, write, write_pictures
from tests.nets import DIGITS
from tests.paths import GOLDEN
from tests.spark.nets import assert_close

pytestmark = pytest.mark.spark

READ = {"LMDB": sources.lmdb, "LEVELDB": sources.leveldb}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def scans(encoded: bool) -> dict[bytes, bytes]:
    """Return the example's scans as records, every other one encoded, or none."""
    lines = (DIGITS / "labels.txt").read_text().split()
    found = {}
    for i, (name, label) in enumerate(zip(lines[::2], lines[1::2], strict=True)):
        file = (DIGITS / name).read_bytes()
        if encoded and i % 2:
            record = pb.Datum(encoded=True, data=file, label=int(label))
        else:
            record = datum(np.moveaxis(decode(file, 1), 2, 0), int(label))
        found[b"%08d_%b" % (i, name.encode())] = record.SerializeToString()
    return found


def partitions(df: DataFrame, column: str) -> list[list[Any]]:
    """Return what is in a column, partition by partition."""
    found: dict[int, list[Any]] = {}
    for row in df.select(F.spark_partition_id().alias("id"), column).collect():
        found.setdefault(row[0], []).append(row[1])
    return [found[i] for i in sorted(found)]


def test_a_database_is_scored_as_it_is(
    spark: SparkSession, lenet: Model, tmp_path: Path, kind: str
) -> None:
    given = scans(encoded=kind == "LMDB")
    df = READ[kind](spark, write(tmp_path / "db", kind, given), num_partitions=4)
    parts = partitions(df, "key")
    assert [key for part in parts for key in part] == sorted(key.decode() for key in given)
    assert [len(part) for part in parts] == [75] * 4
    scored = lenet.predict(df, fetch=["prob"]).collect()
    assert sum(int(np.argmax(row["prob"])) == row["label"] for row in scored) == 299
    assert {(row["problem"], row["error"]) for row in scored} == {(None, None)}


def test_a_database_that_caffe_wrote(spark: SparkSession) -> None:
    path = GOLDEN / "layers" / "Data" / "lmdb_train" / "db"
    rows = sources.lmdb(spark, path).collect()
    for row, record in zip(rows, records(path), strict=True):
        assert row["label"] == record.label
        np.testing.assert_array_equal(np.moveaxis(decode(row["image"]), 2, 0), record.image)


def test_raw_pictures_keep_every_pixel(spark: SparkSession, tmp_path: Path) -> None:
    images = [picture(i, channels, 5 + i, 7) for i, channels in enumerate((3, 1, 3))]
    rows = sources.lmdb(spark, write_pictures(tmp_path / "db", "LMDB", images)).collect()
    for row, image in zip(rows, images, strict=True):
        assert (row["channels"], row["height"], row["width"]) == image.shape
        np.testing.assert_array_equal(decode(row["image"], len(image)), np.moveaxis(image, 0, 2))


def test_what_is_no_picture_is_numbers(spark: SparkSession, tmp_path: Path) -> None:
    floats = np.random.default_rng(0).normal(size=(5, 2, 3, 3)).astype(np.float32)
    items = {b"%d" % i: datum(x, i).SerializeToString() for i, x in enumerate(floats)}
    items[b"\xff"] = datum(picture(1, 2, 3, 3), -1).SerializeToString()
    path = write(tmp_path / "db", "LMDB", items)
    rows = sources.lmdb(spark, path).collect()
    assert [row["key"] for row in rows] == ["0", "1", "2", "3", "4", r"\xff"]
    np.testing.assert_array_equal([r["data"] for r in rows[:5]], floats.reshape(5, -1))
    np.testing.assert_array_equal(rows[5]["data"], picture(1, 2, 3, 3).ravel())
    forced = sources.lmdb(spark, path, pictures=True).collect()
    assert "read the database with pictures=False" in forced[0]["problem"]


def test_a_damaged_record_is_a_row_with_a_problem(spark: SparkSession, tmp_path: Path) -> None:
    good = datum(picture(0, 3, 4, 4), 7).SerializeToString()
    path = write(tmp_path / "db", "LMDB", {b"a": good, b"b": good[:-7], b"c": good})
    rows = sources.lmdb(spark, path, num_partitions=1).collect()
    assert [(row["key"], row["label"]) for row in rows] == [("a", 7), ("b", None), ("c", 7)]
    assert "are no Datum, or it is cut short" in rows[1]["problem"]
    first = write(tmp_path / "first", "LMDB", {b"a": good[:-7]})
    with pytest.raises(CaffeError, match=r"first, key 'a': its \d+ bytes are no Datum"):
        sources.lmdb(spark, first)


def test_what_is_wrong_at_once(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match=r"there is no database .*none"):
        sources.lmdb(spark, tmp_path / "none")
    path = write_pictures(tmp_path / "db", "LMDB", [picture(0, 3, 4, 4)])
    with pytest.raises(CaffeError, match="set backend: LMDB"):
        sources.leveldb(spark, path)
    with pytest.raises(CaffeError, match="the database is empty"):
        sources.lmdb(spark, write(tmp_path / "empty", "LMDB", {}))
    with pytest.raises(CaffeError, match="num_partitions is 0"):
        sources.lmdb(spark, path, num_partitions=0)
    (path / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(CaffeFormatError, match="this is no LMDB database"):
        sources.lmdb(spark, path)


def test_what_goes_wrong_later_says_where(spark: SparkSession, tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "db", "LEVELDB", [picture(0, 3, 4, 4)])
    df = sources.leveldb(spark, path)
    shutil.rmtree(path)
    with pytest.raises(Exception, match=rf"CaffeError: the executor on .* does not see {path}"):
        df.collect()


def test_a_reader_holds_one_batch_at_a_time() -> None:
    taken: list[int] = []

    def read(split: Split) -> Iterator[pa.RecordBatch]:
        for i in range(10):
            taken.append(i)
            yield pa.RecordBatch.from_pydict({"row": [i]})

    numbers = pa.RecordBatch.from_pydict({"id": [0]})
    batches = ReadTask([Split("/")], read)(iter([numbers]))
    assert [next(batches)["row"][0].as_py() for _ in range(2)] == [0, 1]
    assert taken == [0, 1]


# --- HDF5 -----------------------------------------------------------------------------


def test_hdf5(spark: SparkSession, lenet: Model, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    x = np.random.default_rng(0).random((10, 1, 8, 8)).astype(np.float32)
    labels = np.arange(10, dtype=np.int64)
    for part in (0, 1):
        with h5py.File(tmp_path / f"{part}.h5", "w") as file:
            file["data"] = x[5 * part : 5 * part + 5]
            file["label"] = labels[5 * part : 5 * part + 5, None]
            file["wide"] = x[5 * part : 5 * part + 5, 0, 0].astype(np.float64)
    listed = tmp_path / "list.txt"
    listed.write_text(f"{tmp_path}/0.h5\n{tmp_path}/1.h5\n")
    df = sources.hdf5(spark, listed, num_partitions=4)
    assert df.dtypes == [("data", "array<float>"), ("label", "bigint"), ("wide", "array<double>")]
    assert df.schema["data"].metadata == {"shape": [1, 8, 8]}
    assert partitions(df, "label") == [[0, 1, 2], [3, 4], [5, 6, 7], [8, 9]]
    rows = df.collect()
    np.testing.assert_array_equal([row["data"] for row in rows], x.reshape(10, -1))
    np.testing.assert_array_equal([row["wide"] for row in rows], x[:, 0, 0].astype(np.float64))
    one = sources.hdf5(spark, tmp_path / "1.h5", ["data", "label"])
    scored = lenet.predict(one, fetch=["prob"]).collect()
    assert_close([row["prob"] for row in scored], lenet.predict(x[5:], fetch=["prob"]))


def test_what_is_wrong_with_hdf5(spark: SparkSession, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["label"] = np.zeros((3, 2)), np.zeros(2)
        file["none"], file["text"] = np.zeros((0, 2)), [b"text"]
    (tmp_path / "list").write_text(f"{tmp_path}/a.h5 {tmp_path}/b.h5")
    (tmp_path / "bad.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:900])
    (tmp_path / "picture").write_bytes(b"\xff\xd8\xff")
    for path, names, words in [
        ("none.h5", None, "no such file: .*none.h5"),
        ("picture", None, "neither an HDF5 file nor a list"),
        ("bad.h5", None, "bad.h5: this HDF5 file is damaged"),
        ("list", ["data"], "no such file: .*b.h5"),
        ("a.h5", ["data", "label"], r"different numbers of rows, \{'data': 3, 'label': 2\}"),
        ("a.h5", ["other"], "no dataset 'other'; it has data, label, none, text"),
        ("a.h5", ["text"], "'text' has type .* store floats or whole numbers"),
        ("a.h5", ["none"], "the datasets none have no rows"),
    ]:
        with pytest.raises(CaffeError, match=words):
            sources.hdf5(spark, tmp_path / path, names)
