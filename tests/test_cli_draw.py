"""``bigdl-caffe draw``."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bigdl_caffe.cli.program import main
from tests.nets import DIGITS

LENET = str(DIGITS / "lenet.prototxt")


def test_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net.svg"
    assert main(["draw", LENET, str(out)]) == 0
    ElementTree.parse(out)
    assert capsys.readouterr().out == f"wrote {out}\n"


def test_what_is_there_is_kept_unless_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.dot"
    out.write_text("mine")
    assert main(["draw", LENET, str(out)]) == 1
    assert out.read_text() == "mine"
    assert "--overwrite" in capsys.readouterr().err
    assert main(["draw", LENET, str(out), "--overwrite"]) == 0
    assert "digraph" in out.read_text()


def test_a_net_that_cannot_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, out = tmp_path / "odd.prototxt", tmp_path / "odd.svg"
    net.write_text(
        'layer { name: "data" type: "Input" top: "data" }'
        'layer { name: "odd" type: "Strange" bottom: "data" top: "odd" }'
    )
    assert main(["draw", str(net), str(out)]) == 0
    assert "no layer type 'Strange' is registered" in capsys.readouterr().err
    assert "Strange" in out.read_text()


def test_another_ending(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", LENET, str(tmp_path / "net.gif")]) == 1
    assert "ends in .svg, .png, .dot" in capsys.readouterr().err
