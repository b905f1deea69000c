"""The scoring job: what it reads, what it writes, what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.job import Outcome, Request, run
from bigdl_caffe.spark.ranking import read_lines, read_truth
from bigdl_caffe.spark.report import report
from bigdl_caffe.spark.session import plain_errors, plain_words
from tests.paths import REPO
from tests.spark.nets import assert_close

DIGITS = REPO / "examples" / "digits"


@pytest.fixture(scope="module")
def lenet() -> Model:
    return Model.load_caffe_model(DIGITS / "lenet.prototxt", DIGITS / "lenet.caffemodel")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a folder of 12 scans, in two folders, with a broken one and a text file."""
    folder = tmp_path / "in"
    for i, file in enumerate(sorted((DIGITS / "images").iterdir())[:12]):
        target = folder / ("a b" if i % 2 else "images")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target / (file.stem + (".PNG" if i == 0 else ".png")))
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not an image")
    return folder


def request_for(where: Any, tmp_path: Path, **options: Any) -> Request:
    return replace(Request(str(where), str(tmp_path / "out.parquet"), fetch=["prob"]), **options)


def go(spark: SparkSession, model: Model, request: Request) -> tuple[Outcome, list[Any]]:
    said: list[str] = []
    outcome = run(spark, model, request, said.append)
    return outcome, spark.read.parquet(request.output).collect()


@pytest.mark.spark
def test_a_folder_of_images(
    spark: SparkSession, lenet: Model, images: Path, tmp_path: Path
) -> None:
    truth = {p.name: 100 for p in images.rglob("*.png")}
    truth["images/0028.png"] = 8
    labels = [f"digit {i}" for i in range(10)]
    request = request_for(images, tmp_path, top=3, labels=labels, truth=truth)
    outcome, rows = go(spark, lenet, request)
    assert (outcome.rows, outcome.failed, outcome.source.skipped) == (13, 1, 1)
    assert (outcome.judged, outcome.right) == (12, 1)
    assert set(rows[0].asDict()) == {"path", "prob", "error", "prediction", "top", "truth"}
    for row in rows:
        if row["path"].endswith("broken.png"):
            assert "not a picture" in row["error"]
            assert row["prediction"] is row["top"] is row["prob"] is None
            continue
        assert row["prediction"] == np.argmax(row["prob"])
        order = np.argsort(row["prob"])[::-1][:3].tolist()
        assert [entry["class"] for entry in row["top"]] == order
        assert [entry["label"] for entry in row["top"]] == [labels[i] for i in order]
        assert [entry["score"] for entry in row["top"]] == [row["prob"][i] for i in order]
    text = report(outcome, request)
    assert "not scored: not a picture" in text
    assert "rows        13, of which 1 could not be scored" in text
    assert "accuracy    8.33 % (1 of 12)" in text
    assert "1 other files" in text
    assert request.output in text


@pytest.mark.spark
def test_a_glob_whose_bad_rows_are_dropped(
    spark: SparkSession, lenet: Model, images: Path, tmp_path: Path
) -> None:
    outcome, rows = go(spark, lenet, request_for(f"{images}/*.png", tmp_path, on_error="drop"))
    assert (outcome.rows, outcome.failed, len(rows)) == (1, 1, 0)
    outcome, rows = go(
        spark, lenet, request_for(f"{images}/im*", tmp_path, on_error="drop", overwrite=True)
    )
    assert (outcome.rows, outcome.failed, len(rows)) == (6, 0, 6)


@pytest.mark.spark
def test_a_parquet_of_arrays(spark: SparkSession, lenet: Model, tmp_path: Path) -> None:
    data = np.random.default_rng(0).random((5, 64), np.float32)
    source = tmp_path / "rows.parquet"
    rows = [(f"row {i}", x.tolist(), [0.5]) for i, x in enumerate(data)]
    spark.createDataFrame(rows, "name string, x array<float>, y array<float>").write.parquet(
        str(source)
    )
    with pytest.raises(CaffeError, match="x, y could each be the input"):
        go(spark, lenet, request_for(source, tmp_path))
    outcome, found = go(spark, lenet, request_for(source, tmp_path, column="x"))
    assert (outcome.rows, outcome.failed) == (5, 0)
    expected = lenet.run({"data": data.reshape(5, 1, 8, 8)}, ["prob"])["prob"]
    for row in found:
        assert set(row.asDict()) == {"name", "y", "prob", "error", "prediction", "top"}
        assert_close(row["prob"], expected[int(row["name"][4:])])


@pytest.mark.spark
def test_a_failing_row_is_told_in_one_sentence(
    spark: SparkSession, lenet: Model, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(CaffeError) as caught, plain_errors():
        go(spark, lenet, request_for(images, tmp_path, on_error="fail"))
    assert "broken.png'): not a picture" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "--debug" not in str(caught.value)  # ours says all of it
    assert not list(tmp_path.glob("*out.parquet*"))


@pytest.mark.spark
def test_a_result_is_kept_until_the_next_is_whole(
    spark: SparkSession, lenet: Model, images: Path, tmp_path: Path
) -> None:
    request = request_for(images, tmp_path, overwrite=True)
    _, before = go(spark, lenet, request)
    with pytest.raises(CaffeError, match="not a picture"), plain_errors():
        go(spark, lenet, replace(request, on_error="fail"))
    assert spark.read.parquet(request.output).collect() == before
    go(spark, lenet, request)
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out.parquet"}


@pytest.mark.spark
def test_a_glob_of_inputs_is_not_overwritten(
    spark: SparkSession, lenet: Model, tmp_path: Path
) -> None:
    days = [str(tmp_path / name) for name in ("d1", "d2")]
    for day in days:
        spark.createDataFrame([([0.5] * 64,)], "x array<float>").write.parquet(day)
    request = request_for(f"{tmp_path}/d*", tmp_path, output=days[0], overwrite=True)
    with pytest.raises(CaffeError, match=r"holds the input file:.*/d1/part-"):
        go(spark, lenet, request)
    assert spark.read.parquet(days[0]).columns == ["x"]


@pytest.mark.spark
@pytest.mark.parametrize("name", ["name", "path"])
def test_the_order_of_a_parquet_is_kept(
    spark: SparkSession, lenet: Model, tmp_path: Path, name: str
) -> None:
    names = ["b", "c", "a", ""]
    rows = [(text, [i / 64] * 64) for i, text in enumerate(names)]
    source = str(tmp_path / "rows.parquet")
    spark.createDataFrame(rows, f"{name} string, x array<float>").coalesce(1).write.parquet(source)
    request = request_for(source, tmp_path)
    outcome, _ = go(spark, lenet, request)
    assert pq.read_table(request.output)[name].to_pylist() == names
    assert [row[name] for row in outcome.first] == names
    header, first, *_ = report(outcome, request).splitlines()
    assert header.split() == (["path", "prediction"] if name == "path" else ["prediction"])
    assert first.startswith("b  ") == (name == "path")


REFUSED: list[tuple[Mapping[str, Any], str]] = [
    ({"input": "{tmp}/none"}, "Path does not exist"),
    ({"input": "{tmp}/empty"}, "has nothing to score"),
    ({"input": "{tmp}/junk"}, "Spark: RuntimeException: file:.*a.parquet is not a Parquet file"),
    ({"output": "{tmp}/junk/a.parquet/out"}, "NotDirectoryException: Parent path is not a dir"),
    ({"labels": ["only one"]}, "1 labels for the 10 classes"),
    ({"fetch": ["pool9"]}, "no blob 'pool9'"),
    ({"fetch": ["conv1"], "truth": {"a": 1}}, "--truth takes rows that have"),
]


@pytest.mark.spark
@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_cannot_be_done_is_refused(
    spark: SparkSession,
    lenet: Model,
    images: Path,
    tmp_path: Path,
    options: Mapping[str, Any],
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "a.parquet").write_bytes(b"no Parquet")
    places = {k: v.format(tmp=tmp_path) for k, v in options.items() if isinstance(v, str)}
    given = {**options, **places}
    where = given.pop("input", str(images))
    with pytest.raises(CaffeError, match=message), plain_errors():
        go(spark, lenet, request_for(where, tmp_path, **given))


def test_a_list_of_truths(tmp_path: Path) -> None:
    file = tmp_path / "truth.txt"
    file.write_text("./a b/c.png 3\r\n\n/d.png 0\n")
    assert read_truth(str(file)) == {"a b/c.png": 3, "d.png": 0}
    for text, message in (("a.png\n", ":1: 'a.png' is not a path"), ("", "is empty")):
        file.write_text(text)
        with pytest.raises(CaffeError, match=message):
            read_truth(str(file))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(CaffeError, match="not a text file"):
        read_truth(str(file))
    file.write_text("one\ntwo\n\n")
    assert read_lines(str(file)) == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[X] No. SQLSTATE: 42000\n\tat a.b.C", "[X] No."),
        ("calling o1.x.\n: a.b.NoHost: name7\n\tat a.b.C\n", "NoHost: name7"),
        ("o1.x.\n: a.B: all\n\tat a.C\nCaused by: a.b.D: one\nCaused by: a.b.EOF\n", "D: one"),
        (
            "o1.x.\n: a.B: failed\nCaused by: a.Python: Traceback (most recent call last):\n"
            '  File "a.py", line 1, in f\n    g()\nMemoryError: no more\n\n\tat a.b.C\n',
            "MemoryError: no more",
        ),
        ("", ""),
    ],
)
def test_spark_errors_in_plain_words(text: str, told: str) -> None:
    assert plain_words(text) == f"Spark: {told}"


def test_a_spark_that_does_not_start_has_said_why() -> None:
    assert "what Java wrote above" in plain_words("[JAVA_GATEWAY_EXITED] Java gateway exited")


def test_our_errors_inside_of_sparks_are_told_as_they_are() -> None:
    ours = "Job aborted\nTraceback (most recent call last):\n  ...\n"
    ours += "bigdl_caffe.errors.CaffeError: row 3 is bad\n\n\tat org.apache.spark"
    assert plain_words(ours) == "row 3 is bad"
