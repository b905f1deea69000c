"""What spark-submit sends with a program, to executors that lack it; what they say without it."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bigdl_caffe import Model
from bigdl_caffe.image import batch
from tests.nets import DIGITS
from tests.paths import REPO
from tests.spark.cluster import environments
from tests.spark.cluster.launch import NET, PROGRAMS, Spark
from tests.spark.cluster.rows import Rows
from tests.spark.nets import assert_close

pytestmark = [pytest.mark.spark, pytest.mark.slow]

MAIN = REPO / "bigdl_caffe" / "__main__.py"
NET_OPTIONS = ["--prototxt", NET[0], "--weights", NET[1]]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return Rows(tmp_path_factory.mktemp("rows") / "in", 400, 4).write()


def zipped(folder: Path) -> Path:
    """Make the package a zip, as `make zip` does."""
    file = folder / "bigdl_caffe.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted((REPO / "bigdl_caffe").rglob("*.py")):
            archive.write(path, path.relative_to(REPO))
    return file


def test_a_zip_and_the_command(
    cluster_spark: Spark, master: str, bare: Path, lenet: Model, tmp_path: Path
) -> None:
    """The command of the README, with two executors that have no bigdl_caffe."""
    done = cluster_spark.submit(
        master,
        MAIN,
        *("score", *NET_OPTIONS, "--input", DIGITS / "images", "--truth", DIGITS / "labels.txt"),
        *("--output", tmp_path / "out", "--fetch", "prob", "--top", 1),
        options=["--py-files", zipped(tmp_path)],
        python=bare,
        installed=False,
    )
    assert done.status == 0, done.err[-6000:]
    assert "accuracy    99.67 % (299 of 300)" in done.out
    assert "2. resize to 8x8" in done.out
    check_scores(tmp_path / "out", lenet)


def check_scores(output: Path, model: Model) -> None:
    """Compare what was written with what the model gives in this process."""
    table = pq.read_table(output).to_pydict()
    assert len(table["path"]) == 300
    files = [Path(path.removeprefix("file:")).read_bytes() for path in table["path"]]
    expected = model.predict(batch(model.recipe(), files).array, fetch=["prob"])
    assert_close(table["prob"], expected)
    assert table["prediction"] == expected.argmax(1).tolist()
    assert table["error"] == [None] * 300


def test_a_packed_environment(
    cluster_spark: Spark, master: str, rows: Rows, lenet: Model, tmp_path: Path
) -> None:
    archive = environments.packed(tmp_path)
    done = cluster_spark.submit(
        master,
        PROGRAMS / "score.py",
        *(*NET, rows.folder, tmp_path / "out"),
        options=["--archives", f"{archive}#environment"],
        conf={"spark.cores.max": 1},
        python="./environment/bin/python",
        installed=False,
    )
    archive.unlink()
    done.told()
    rows.check(tmp_path / "out", lenet)


def test_what_is_missing_is_said(cluster_spark: Spark, bare: Path, tmp_path: Path) -> None:
    lacking = ["torch", "pyarrow"]
    pythons = [environments.linked(tmp_path / name, [name]) for name in lacking]
    done = cluster_spark.submit(
        "local[1]", PROGRAMS / "pythons.py", *NET, sys.executable, bare, *pythons, installed=False
    )
    right, ours, torch, pyarrow, other = done.told()
    assert right == "none"
    assert "bigdl_caffe is missing" in ours
    assert "send the driver's by --py-files" in ours
    assert "torch is missing" in torch
    assert "pyarrow is missing" in pyarrow
    assert "send an environment that has it by --archives" in pyarrow
    assert "the driver 3.9, and Spark needs one release everywhere" in other
