"""SequenceFiles, class folders and lists of pictures as DataFrames."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.image import decode
from bigdl_caffe.spark import sources
from tests.nets import DIGITS
from tests.spark.nets import partitions, picture, png

pytestmark = pytest.mark.spark


def write_sequence(
    spark: SparkSession, path: Path, kinds: tuple[str, str], records: list[Any], packed: str
) -> None:
    """Write records by Hadoop's own writer."""
    java: Any = spark._jvm
    io = java.org.apache.hadoop.io
    classes = [java.java.lang.Class.forName(f"org.apache.hadoop.io.{kind}") for kind in kinds]
    target = java.org.apache.hadoop.fs.Path(str(path))
    conf = spark._jsc.hadoopConfiguration()
    how = io.SequenceFile.CompressionType.valueOf(packed)
    writer = io.SequenceFile.createWriter(target.getFileSystem(conf), conf, target, *classes, how)
    for key, value in records:
        writer.append(*(getattr(io, kind)(x) for kind, x in zip(kinds, (key, value), strict=True)))
    writer.close()


def bigdl(pixels: np.ndarray[Any, Any]) -> bytes:
    """Return RGB pixels as BigDL writes them."""
    height, width, _ = pixels.shape
    return width.to_bytes(4, "big") + height.to_bytes(4, "big") + pixels[:, :, ::-1].tobytes()


@pytest.mark.parametrize("packed", ["NONE", "RECORD", "BLOCK"])
def test_what_bigdl_wrote(spark: SparkSession, tmp_path: Path, packed: str) -> None:
    wide = [np.ascontiguousarray(picture(i)[: 3 + i]) for i in range(4)]
    named = [(f"n0{i}.jpg\n{i + 1}".encode(), bigdl(x)) for i, x in enumerate(wide)]
    bare = [(b"%d" % (i + 1), bigdl(x)) for i, x in enumerate(wide)]
    write_sequence(spark, tmp_path / "seq" / "a_0.seq", ("Text", "Text"), named, packed)
    write_sequence(spark, tmp_path / "seq" / "a_1.seq", ("Text", "Text"), bare, packed)
    rows = sources.sequence_file(spark, tmp_path / "seq").collect()
    assert [r["label"] for r in rows] == [0, 1, 2, 3] * 2
    assert [r["key"] for r in rows] == ["n00.jpg", "n01.jpg", "n02.jpg", "n03.jpg", *"1234"]
    for row, pixels in zip(rows, wide * 2, strict=True):
        np.testing.assert_array_equal(decode(row["image"]), pixels[:, :, ::-1])
    many = sources.sequence_file(spark, f"{tmp_path}/seq/*_1.seq", first_label=0, num_partitions=1)
    assert [row["label"] for row in many.collect()] == [1, 2, 3, 4]


def test_sequence_files_of_picture_files(spark: SparkSession, tmp_path: Path) -> None:
    records = [(i, png(i) if i else b"") for i in range(3)]
    path = tmp_path / "a.seq"
    write_sequence(spark, path, ("IntWritable", "BytesWritable"), records, "NONE")
    rows = sources.sequence_file(spark, path, first_label=0).collect()
    assert [(row["key"], row["label"]) for row in rows] == [("0", 0), ("1", 1), ("2", 2)]
    assert [row["image"] for row in rows] == [None, png(1), png(2)]
    assert [bool(row["problem"]) for row in rows] == [True, False, False]


def test_what_is_no_sequence_file(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no sequence")
    (tmp_path / "empty").mkdir()
    write_sequence(spark, tmp_path / "a.seq", ("Text", "IntWritable"), [("1", 1)], "NONE")
    for name, words in [
        ("none", "there is no SequenceFile at .*none"),
        ("empty", "there is no SequenceFile at .*empty"),
        ("text", "text cannot be read: .*not a SequenceFile"),
        ("a.seq", "Text as keys and IntWritable as values: known are"),
    ]:
        with pytest.raises(CaffeError, match=words):
            sources.sequence_file(spark, tmp_path / name)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Return class folders, of which one has its pictures deeper."""
    root = tmp_path / "my images"
    for i, name in enumerate(["dog/1.png", "cat/2.PNG", "cat/old ones/3.jpg", "dog/notes.txt"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(i))
    (root / "ant").mkdir()
    return root


def test_class_folders(spark: SparkSession, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    df = sources.image_folder(spark, folders)
    assert df.columns == ["path", "content", "label", "class"]
    rows = sorted(df.collect(), key=lambda row: row["path"])
    names = [Path(row["path"]).name for row in rows]
    assert names == ["2.PNG", "3.jpg", "1.png"]
    assert [(row["label"], row["class"]) for row in rows] == [(0, "cat"), (0, "cat"), (1, "dog")]
    assert rows[0]["content"] == png(1)
    monkeypatch.chdir(folders.parent)
    given = sources.image_folder(spark, "my images", classes=["ant", "dog", "cat"])
    assert {(row["label"], row["class"]) for row in given.collect()} == {(1, "dog"), (2, "cat")}


def test_what_is_wrong_with_folders(spark: SparkSession, folders: Path, tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match=r"none cannot be read: .*PATH_NOT_FOUND"):
        sources.image_folder(spark, tmp_path / "none")
    with pytest.raises(CaffeError, match="ant holds no picture"):
        sources.image_folder(spark, folders / "ant")
    with pytest.raises(CaffeError, match="pictures that are in no class folder"):
        sources.image_folder(spark, folders / "cat")
    with pytest.raises(CaffeError, match=r"the class folders \['dog'\], which are not in classes"):
        sources.image_folder(spark, folders, classes=["cat"])


def test_a_list_is_scored_as_it_is(
    spark: SparkSession, lenet: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(DIGITS)
    df = sources.image_list(spark, "labels.txt", num_partitions=7)
    assert len(partitions(df)) == 7
    lines = Path("labels.txt").read_text().splitlines()
    scored = lenet.predict(df, fetch=["prob"]).collect()
    assert [row["path"] for row in scored] == [f"{DIGITS}/{line.split()[0]}" for line in lines]
    assert sum(int(np.argmax(row["prob"])) == row["label"] for row in scored) == 299


def test_a_picture_that_is_missing_is_a_row_with_a_problem(
    spark: SparkSession, tmp_path: Path
) -> None:
    shutil.copy(DIGITS / "images" / "0028.png", tmp_path / "a b.png")
    (tmp_path / "list").write_text("/a b.png 3\nno.png -1\na b.png 5")
    rows = sources.image_list(spark, tmp_path / "list", f"{tmp_path}/", num_partitions=2).collect()
    assert [row["label"] for row in rows] == [3, -1, 5]
    assert [bool(row["content"]) for row in rows] == [True, False, True]
    assert "no such file" in rows[1]["problem"]
    (tmp_path / "absolute").write_bytes(b"%b/a b.png 3\n\xff.png 1" % bytes(tmp_path))
    found, missing = sources.image_list(spark, tmp_path / "absolute").collect()
    assert found["content"] == rows[0]["content"]
    assert missing["path"].endswith(r"\xff.png")
    (tmp_path / "bad").write_text("a.png 1\nb.png one\n")
    (tmp_path / "empty").write_text("")
    for name, words in [
        ("none", "no such file"),
        ("bad", "bad, line 2: .* has the label 'one'"),
        ("empty", "the list of pictures is empty"),
    ]:
        with pytest.raises(CaffeError, match=words):
            sources.image_list(spark, tmp_path / name)
