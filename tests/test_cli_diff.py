"""``bigdl-caffe diff``, as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe.cli import main
from tests.nets import DIGITS, digits, net
from tests.verify.nets import DATA, conv

LENET = [f"{DIGITS}/lenet.prototxt", f"{DIGITS}/lenet.caffemodel"]


@pytest.fixture
def changed(tmp_path: Path) -> str:
    """Return a bundle of the digits' net with another conv2."""
    model = digits()
    model.params["conv2"][0].data.mul_(1.01)
    model.write_bundle(tmp_path / "changed.arrow")
    return str(tmp_path / "changed.arrow")


def test_equal_is_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *LENET, *LENET]) == 0
    assert "equal: all 10 values within 1e-05" in capsys.readouterr().out


def test_different_is_1(capsys: pytest.CaptureFixture[str], changed: str) -> None:
    assert main(["diff", *LENET, changed]) == 1
    assert "different: they part at layer 'conv2'" in capsys.readouterr().out
    assert main(["diff", changed, *LENET, "--tolerance", "0.1"]) == 0


def test_a_picture_a_plot_and_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, changed: str
) -> None:
    plot, picture = tmp_path / "out.svg", DIGITS / "images" / "0028.png"
    options = ["--input", str(picture), "--plot", str(plot), "--json"]
    assert main(["diff", *LENET, changed, *options]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["equal"], told["first"]) == (False, "conv2")
    assert told["rows"][0]["shape"] == [1, 20, 8, 8]
    assert "conv2" in plot.read_text()


def test_a_record(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    feed = np.ones((2, 1, 8, 8), np.float32)
    record: dict[str, Any] = {"in/data": feed, **digits().run({"data": feed})}
    np.savez(tmp_path / "io.npz", **record)
    assert main(["diff", *LENET, f"{tmp_path}/io.npz"]) == 0
    assert main(["diff", f"{tmp_path}/io.npz", *LENET]) == 0
    np.savez(tmp_path / "io.npz", **{**record, "prob": record["prob"] + 1})
    assert main(["diff", *LENET, f"{tmp_path}/io.npz"]) == 1


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (LENET, "the files name 1"),
        ([*LENET, *LENET, *LENET], "the files name 3"),
        ([*LENET, LENET[0]], "no weights behind it"),
        ([LENET[0], "x.arrow"], "no weights behind it"),
        ([*LENET, "none.arrow"], "no such file: none.arrow"),
        ([*LENET, "none.npz"], "no such file: none.npz"),
        ([*LENET, *LENET, "--input", "none.png"], "no such file: none.png"),
        ([*LENET, *LENET, "--plot", "none/out.svg"], "no folder none"),
        (["a.npz", "b.npz"], "no such file: a.npz"),
        ([*LENET, LENET[0], LENET[0]], "a caffemodel is wanted"),
    ],
)
def test_trouble_is_2(
    capsys: pytest.CaptureFixture[str], files: list[str], said: str, tmp_path: Path
) -> None:
    assert main(["diff", *files]) == 2
    err = capsys.readouterr().err
    assert err.startswith("bigdl-caffe: ")
    assert said in err
    assert err.count("\n") == 1


def test_nets_of_other_inputs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    net(
        tmp_path, (DATA + conv()).replace("data", "x").replace("dim: 2 dim: 3", "dim: 5")
    ).write_bundle(tmp_path / "x.arrow")
    assert main(["diff", *LENET, f"{tmp_path}/x.arrow"]) == 2
    assert "(on the command line: --input FILE.npz)" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "much"])
def test_tolerances_that_are_none(value: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["diff", *LENET, *LENET, f"--tolerance={value}"])
    assert caught.value.code == 2
