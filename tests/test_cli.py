"""The command line, as a user meets it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from bigdl_caffe.cli import main
from tests.paths import REPO

DIGITS = REPO / "examples" / "digits"
NET = ["--prototxt", f"{DIGITS}/lenet.prototxt", "--weights", f"{DIGITS}/lenet.caffemodel"]


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", f"{DIGITS}/lenet.prototxt", f"{DIGITS}/lenet.caffemodel"]) == 0
    out = capsys.readouterr().out
    assert "conv1" in out
    assert "Convolution" in out


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["score"],
        ["score", *NET, "--input", "in", "--output", "out", "--resize", "8"],
        ["score", *NET, "--input", "in", "--output", "out", "--batch-size", "0"],
        ["score", *NET, "--input", "in", "--output", "out", "--on-error", "ignore"],
    ],
)
def test_what_cannot_be_understood_is_2(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(wrong)
    assert caught.value.code == 2


def test_what_goes_wrong_is_one_message(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["summary", f"{tmp_path}/none.prototxt"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("bigdl-caffe: ")
    assert "Traceback" not in err
    (tmp_path / "out").mkdir()
    assert main(["score", *NET, "--input", "in", "--output", f"{tmp_path}/out"]) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_an_open_input_shape_is_given_as_the_message_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text('input: "x" layer { name: "r" type: "ReLU" bottom: "x" top: "y" }')
    assert main(["summary", str(net)]) == 1
    assert "--input-shape BLOB=N,C,H,W" in capsys.readouterr().err
    assert main(["summary", str(net), "--input-shape", "x=2,3"]) == 0
    assert "inputs:  x 2×3" in capsys.readouterr().out


def test_importing_the_command_line_is_cheap() -> None:
    code = "import sys, bigdl_caffe.cli; print({'torch', 'pyspark'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture
def score(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., int]:
    """Return a function that scores ``tmp_path/in`` in the session that tests share."""
    session = "bigdl_caffe.spark.session.command_session"
    monkeypatch.setattr(session, lambda *_: nullcontext(spark))
    places = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    (tmp_path / "in").mkdir()
    return lambda *options: main(["score", *NET, *places, *options])


@pytest.mark.spark
@pytest.mark.parametrize("on_error", ["column", "drop"])
def test_that_every_row_failed_is_1(
    score: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    on_error: str,
) -> None:
    (tmp_path / "in" / "a.png").write_bytes(b"no picture")
    assert score("--on-error", on_error) == 1
    told = capsys.readouterr()
    assert "rows        1, of which 1 could not be scored" in told.out
    assert "bigdl-caffe: none of the 1 rows could be scored: --on-error fail says why" in told.err
    assert score("--on-error", "fail", "--overwrite") == 1
    assert "a.png'): not a picture" in capsys.readouterr().err


@pytest.mark.spark
def test_a_mean_file_that_is_missing(
    score: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copy(DIGITS / "images" / "0028.png", tmp_path / "in")
    net = tmp_path / "net.prototxt"
    text = (DIGITS / "lenet.prototxt").read_text()
    named = text.replace("transform_param {", 'transform_param { mean_file: "none.npy"')
    assert named != text
    net.write_text(named)
    np.save(tmp_path / "mean.npy", np.full((1, 8, 8), 3, np.float32))
    assert score("--prototxt", str(net)) == 1
    assert "on the command line: --mean FILE, --mean b,g,r, or --mean 0" in capsys.readouterr().err
    assert score("--prototxt", str(net), "--mean", "0") == 0
    assert "subtract" not in capsys.readouterr().out
    assert score("--prototxt", str(net), "--mean", f"{tmp_path}/mean.npy", "--overwrite") == 0
    assert "subtract the mean picture of 8x8" in capsys.readouterr().out
