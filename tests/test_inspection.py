"""What `inspect` tells of files, from Python and on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.cli.program import main
from bigdl_caffe.inspection import inspect
from tests.nets import DIGITS
from tests.paths import SHARED

NET, WEIGHTS = str(DIGITS / "lenet.prototxt"), str(DIGITS / "lenet.caffemodel")


def test_a_net_that_runs() -> None:
    found = inspect(NET, WEIGHTS)
    assert found.runs
    assert (found.form, found.name, found.phase) == ("V2", "LeNetDigits", "TEST")
    assert found.phases == {"TRAIN": 11, "TEST": 11}
    assert found.inputs == {"data": (64, 1, 8, 8)}
    assert found.outputs == {"prob": (64, 10)}
    assert found.types["ReLU"] == 3
    params = Model.load_caffe_model(NET, WEIGHTS).params
    assert found.parameters == sum(blob.numel() for blobs in params.values() for blob in blobs)
    assert "multiply by 0.00416667" in found.preprocessing
    assert found.weights
    assert (found.weights.form, found.weights.blobs) == ("binary", 8)
    assert found.weights.numbers == found.parameters


def test_a_net_that_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = tmp_path / "odd.prototxt"
    net.write_text(
        'layers { name: "data" type: DUMMY_DATA top: "data" dummy_data_param { num: 1 channels: 2 '
        'height: 3 width: 4 } } layers { name: "odd" type: MVN bottom: "data" top: "odd" '
        'nonsense: 3 } layers { name: "sum" type: ELTWISE bottom: "data" bottom: "none" top: "s" }'
    )
    found = inspect(str(net))
    assert not found.runs
    assert found.form == "V1"
    assert found.inputs == {"data": (1, 2, 3, 4)}
    assert "reads blob 'none'" in found.problems[0]
    assert "nonsense" in found.notes[0]
    assert main(["inspect", str(net)]) == 1
    told = capsys.readouterr().out
    assert "does not run   layer 'sum' (Eltwise) reads blob 'none'" in told
    assert "nothing reads" in told
    assert told.endswith("It cannot be run as it is.\n")


def test_weights_that_are_not_the_nets(tmp_path: Path) -> None:
    text = Path(NET).read_text().replace('"ip2"', '"other"')
    text = text.replace("num_output: 20", "num_output: 21")
    (net := tmp_path / "net.prototxt").write_text(text)
    weights = inspect(str(net), WEIGHTS).weights
    assert weights
    assert "other" in weights.missing
    assert weights.unused == ("ip2",)
    assert "'conv1', blob 0" in weights.problems[0]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", NET, WEIGHTS, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["runs"] is True
    assert told["inputs"] == {"data": [64, 1, 8, 8]}
    assert told["weights"]["layers"] == 4


def test_files_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tmp_path / "none.prototxt")]) == 2
    assert main(["inspect", WEIGHTS]) == 2
    assert "but this is" in capsys.readouterr().err


PUBLIC = SHARED / "prototxts"


@pytest.mark.skipif(not PUBLIC.exists(), reason="no ../shared/prototxts beside this clone")
def test_every_public_net_is_told_of() -> None:
    told = 0
    for path in sorted(PUBLIC.rglob("*.prototxt")):
        try:
            found = inspect(str(path))
        except CaffeError:
            continue  # no net, or none of this phase
        assert str(found)
        json.loads(found.to_json())
        told += 1
    assert told > 500
