"""A result appears whole or not at all, and nothing else is lost for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.output import check_free, replaced


def write(
    spark: SparkSession,
    output: str,
    text: str,
    overwrite: bool = False,
    inputs: Sequence[str] = (),
    times: int = 1,
    rival: Path | None = None,
) -> None:
    """Write ``text``; the second of two times fails. A rival is a folder made meanwhile."""
    with replaced(spark, output, overwrite, lambda: inputs) as folder:
        local = Path(folder.removeprefix("file:"))
        for _ in range(times):
            local.mkdir(parents=True)
            (local / "part-0").write_text(text)
        if rival:
            rival.mkdir()


@pytest.mark.spark
@pytest.mark.parametrize("prefix", ["", "file:", "file://"])
def test_a_result_takes_the_place_of_the_one_before(
    spark: SparkSession, tmp_path: Path, prefix: str
) -> None:
    output = tmp_path / "new folder" / "a 100% ü"
    write(spark, f"{prefix}{output}", "first")
    with pytest.raises(CaffeError, match="is there already"):
        write(spark, f"{prefix}{output}/", "second")
    assert (output / "part-0").read_text() == "first"
    write(spark, f"{prefix}{output}", "third", overwrite=True)
    assert (output / "part-0").read_text() == "third"
    assert list(output.parent.glob("[!.]*")) == [output]
    assert not list(output.parent.glob(".*tmp*")) + list(output.parent.glob(".*old*"))


@pytest.mark.spark
def test_what_fails_leaves_all_as_it_was(spark: SparkSession, tmp_path: Path) -> None:
    output = tmp_path / "out"
    for before in ([], ["out"]):
        with pytest.raises(FileExistsError):
            write(spark, str(output), "twice", overwrite=True, times=2)
        assert [path.name for path in tmp_path.iterdir()] == before
        output.mkdir(exist_ok=True)


@pytest.mark.spark
def test_a_result_does_not_vanish_into_a_folder_that_came_meanwhile(
    spark: SparkSession, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with pytest.raises(CaffeError, match=r"could not be moved to .*: it is in .*\._tmp-"):
        write(spark, str(output), "result", rival=output)
    assert [file.read_text() for file in tmp_path.glob(".out*/*")] == ["result"]
    assert not list(output.iterdir())


@pytest.mark.spark
def test_what_no_earlier_run_wrote_is_not_deleted(spark: SparkSession, tmp_path: Path) -> None:
    output = tmp_path / "out"
    write(spark, str(output), "first")
    (output / "thesis.doc").touch()
    with pytest.raises(CaffeError, match=r"holds 'thesis.doc'"):
        write(spark, str(output), "second", overwrite=True)
    with pytest.raises(CaffeError, match=r"holds 'thesis.doc'"):
        write(spark, str(output / "thesis.doc"), "second", overwrite=True)
    assert (output / "part-0").read_text() == "first"


@pytest.mark.spark
@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("in/d1", True),
        ("in", True),
        ("in/d1/part-0", True),
        ("link/d1", True),
        ("in/d", False),
        ("in/d10", False),
    ],
)
def test_an_output_that_holds_an_input(
    spark: SparkSession, tmp_path: Path, name: str, held: bool
) -> None:
    (tmp_path / "in" / "d").mkdir(parents=True)
    (tmp_path / "in" / "d10").mkdir()
    (tmp_path / "in" / "d1").mkdir()
    (tmp_path / "in" / "d1" / "part-0").write_text("input")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    inputs = [f"file://{tmp_path}/in/d1/part-0"]
    if held:
        with pytest.raises(CaffeError, match="holds the input file:"):
            write(spark, f"{tmp_path}/{name}", "result", overwrite=True, inputs=inputs)
    else:
        write(spark, f"{tmp_path}/{name}", "result", overwrite=True, inputs=inputs)
    assert (tmp_path / "in" / "d1" / "part-0").read_text() == "input"


def test_a_local_output_is_looked_for_before_spark_starts(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match=r"is there already.*--overwrite"):
        check_free(str(tmp_path), overwrite=False)
    check_free(str(tmp_path), overwrite=True)
    check_free(f"{tmp_path}/none", overwrite=False)
    check_free("hdfs://host/out", overwrite=False)
