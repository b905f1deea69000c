"""``bigdl-caffe convert``: the same model in every form, for others to read too."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bigdl_caffe import Model
from bigdl_caffe.cli import main
from bigdl_caffe.format.caffemodel import Caffemodel
from tests.nets import DIGITS, net
from tests.paths import SHARED, needs_models

LENET = [f"{DIGITS}/lenet.prototxt", f"{DIGITS}/lenet.caffemodel"]

NORMED = """
name: "normed" input: "data" input_shape { dim: 1 dim: 2 dim: 5 dim: 5 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""


@pytest.fixture
def normed(tmp_path: Path) -> list[str]:
    """Return the files of a net with a BatchNorm that has seen something."""
    model = net(tmp_path, NORMED)
    mean, variance, factor = (blob.data for blob in model.params["bn"])
    mean.fill_(50.0), variance.fill_(2e5), factor.fill_(100.0)
    files = [f"{tmp_path}/normed.prototxt", f"{tmp_path}/normed.caffemodel"]
    model.save_caffe(*files)
    return files


def convert(*words: str) -> int:
    return main(["convert", *words])


def diff(*words: str) -> int:
    return main(["diff", *words])


@pytest.mark.parametrize(
    ("target", "options", "tolerance"),
    [
        (["n.prototxt", "n.caffemodel"], [], "0"),
        (["n.prototxt", "n.caffemodel.h5"], [], "0"),
        (["n.arrow"], [], "0"),
        (["n.prototxt", "n.caffemodel"], ["--half"], "5e-3"),
        (["n.arrow"], ["--fold"], "0"),
    ],
)
def test_there_and_back(
    target: list[str], options: list[str], tolerance: str, tmp_path: Path
) -> None:
    files = [str(tmp_path / name) for name in target]
    back = [f"{tmp_path}/back.prototxt", f"{tmp_path}/back.caffemodel"]
    assert convert(*LENET, *files, *options) == 0
    assert diff(*LENET, *files, "--tolerance", tolerance) == 0
    assert convert(*files, *back) == 0
    assert diff(*files, *back, "--tolerance", "0") == 0


@pytest.mark.parametrize("options", [[], ["--v1"], ["--half"], ["--half", "--v1"]])
@pytest.mark.parametrize("packed", [False, True])
def test_folding(normed: list[str], packed: bool, options: list[str], tmp_path: Path) -> None:
    target = [f"{tmp_path}/f.prototxt", f"{tmp_path}/f.caffemodel"]
    source = normed
    if packed:
        source = [f"{tmp_path}/normed.arrow"]
        assert convert(*normed, *source) == 0
    assert convert(*source, *target, "--fold", *options) == 0
    assert diff(*normed, *target, "--tolerance", "2e-3" if "--half" in options else "1e-5") == 0
    text = Path(target[0]).read_text()
    assert "BatchNorm" not in text
    assert ("layers {" in text) == ("--v1" in options)


def test_v1_without_folding_says_how(
    normed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = [f"{tmp_path}/v1.prototxt", f"{tmp_path}/v1.caffemodel"]
    assert convert(*normed, *target, "--v1") == 1
    err = capsys.readouterr().err
    assert "'bn' (BatchNorm)" in err
    assert "(on the command line: --fold)" in err
    assert not any(Path(file).exists() for file in target)


def test_half_floats_are_nvidias_and_opencv_reads_them(tmp_path: Path) -> None:
    target = [f"{tmp_path}/h.prototxt", f"{tmp_path}/h.caffemodel"]
    assert convert(*LENET, *target, "--half") == 0
    with Caffemodel(target[1]) as file:
        stored = [blob.dtype for layer in file.layers for blob in layer.blobs]
    assert set(stored) == {np.dtype("<f2")}
    assert Path(target[1]).stat().st_size < 0.51 * Path(LENET[1]).stat().st_size
    picture = np.random.default_rng(0).random((1, 1, 8, 8), np.float32)
    theirs = cv2.dnn.readNetFromCaffe(*target)
    theirs.setInput(picture)
    ours = Model.load_caffe_model(*target).run({"data": picture})["prob"]
    np.testing.assert_allclose(theirs.forward(), ours, atol=1e-5)


def test_numbers_that_no_half_float_holds(
    normed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = [f"{tmp_path}/h.prototxt", f"{tmp_path}/h.caffemodel"]
    assert convert(*normed, *target, "--half") == 1
    err = capsys.readouterr().err
    assert "layer 'bn' holds the number 200000, and half floats end at 65504" in err
    assert not any(Path(file).exists() for file in target)


@needs_models
def test_a_real_half_model_becomes_floats_and_halves_again(tmp_path: Path) -> None:
    folder = SHARED / "models" / "hyperlpr_finemapping_v2"
    half = [str(folder / "deploy.prototxt"), str(folder / "weights.caffemodel")]
    floats = [f"{tmp_path}/f.prototxt", f"{tmp_path}/f.caffemodel"]
    again = [f"{tmp_path}/h.prototxt", f"{tmp_path}/h.caffemodel"]
    assert convert(*half, *floats) == convert(*floats, *again, "--half") == 0
    assert diff(*half, *floats, "--tolerance", "0") == 0
    assert diff(*half, *again, "--tolerance", "0") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (LENET, "one model is converted into one"),
        ([*LENET, "out.npz"], "one model is converted into one"),
        ([*LENET, "out.prototxt"], "no weights behind it"),
        ([*LENET, "out.arrow", "--v1"], "leave out --v1"),
        ([*LENET, "out.arrow", "--half"], "leave out --half"),
        ([*LENET, "p", "w.h5", "--half"], "leave out --half"),
        (["a.arrow", "b.arrow", "--fold"], "folded into P W"),
        (["none.prototxt", "none.caffemodel", "p", "w"], "no such file: none.prototxt"),
        ([*LENET, "none/p", "none/w"], "none"),
        ([*LENET, LENET[0], "w"], "is there already: name another place, or give --overwrite"),
        ([*LENET, "same", "same"], "same"),
    ],
)
def test_what_cannot_be(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert convert(*words) == 1
    err = capsys.readouterr().err
    assert err.startswith("bigdl-caffe: ")
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_over_itself(normed: list[str], tmp_path: Path) -> None:
    copy = [f"{tmp_path}/copy.prototxt", f"{tmp_path}/copy.caffemodel"]
    assert convert(*normed, *copy) == 0
    assert convert(*copy, *copy) == 1
    assert convert(*copy, *copy, "--overwrite", "--fold") == 0
    assert diff(*normed, *copy) == 0
