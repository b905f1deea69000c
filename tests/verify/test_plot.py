"""The picture of the error along a net."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bigdl_caffe import CaffeError
from bigdl_caffe.verify import Comparison, Row, compare
from bigdl_caffe.verify.plot import BOTTOM, LEFT, RIGHT, TOP, plot
from tests.nets import digits

SVG = "{http://www.w3.org/2000/svg}"


def row(name: str, error: float, nans: int = 0) -> Row:
    departs = nans > 0 or error > 1e-5
    return Row(name, "Type", f"{name}~0", (2, 3), (2, 3), error, (0, 1), 1.0, 2.0, nans, departs)


def drawn(*rows: Row) -> ElementTree.Element:
    return ElementTree.fromstring(plot(Comparison(rows, (), (), 1e-5)))


def texts(picture: ElementTree.Element, cls: str) -> list[str]:
    return [t.text or "" for t in picture.iter(f"{SVG}text") if t.get("class") == cls]


def test_the_picture_of_a_real_comparison(tmp_path: Path) -> None:
    other = digits()
    other.params["conv2"][0].data.mul_(1.1)
    compare(digits(), other).write_plot(tmp_path / "out.svg")
    picture = ElementTree.parse(tmp_path / "out.svg").getroot()
    assert texts(picture, "title") == ["A and B part at layer 'conv2'"]
    assert texts(picture, "lead-text") == ["conv2"]
    dots = list(picture.iter(f"{SVG}circle"))
    assert [dot.get("class") for dot in dots] == ["good"] * 3 + ["bad"] * 7
    assert "conv2 (Convolution)" in (dots[3].findtext(f"{SVG}title") or "")


def test_layers_are_named_where_the_error_begins_and_where_it_jumps() -> None:
    quiet = [row(f"quiet{i}", 1e-7) for i in range(30)]
    little = [row(f"little{i}", 1e-4) for i in range(30)]
    much = [row(f"much{i}", 0.5) for i in range(30)]
    assert texts(drawn(*quiet, *little, *much), "lead-text") == ["little0", "much0"]
    assert texts(drawn(*quiet), "lead-text") == []


@pytest.mark.parametrize("count", [1, 2, 20, 600])
def test_everything_lies_in_its_place(count: int) -> None:
    sizes = [0.0, 1e-30, 1e-12, 1e-6, 1e-3, 2.0, math.inf]
    picture = drawn(*(row(f"layer{i}", sizes[i % 7], i % 11 == 10) for i in range(count)))
    dots = list(picture.iter(f"{SVG}circle"))
    assert len(dots) == count
    for dot in dots:
        assert LEFT <= float(dot.get("cx", 0)) <= RIGHT
        assert TOP <= float(dot.get("cy", 0)) <= BOTTOM
    names = [t for t in picture.iter(f"{SVG}text") if t.get("text-anchor") == "end"]
    places = sorted(float(t.get("x", 0)) for t in names if float(t.get("y", 0)) > BOTTOM + 10)
    assert all(b - a >= 20 for a, b in pairwise(places))


def test_names_that_are_no_xml() -> None:
    picture = drawn(row('<a href="x">&\x00\x1b\ud800', 1.0), row("x" * 500, 1.0))
    (lead,) = texts(picture, "lead-text")
    assert lead == '<a href="x">&???'
    assert all(len(t.text or "") <= 160 for t in picture.iter(f"{SVG}text"))


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match="no folder"):
        Comparison((row("a", 0.0),), (), (), 1e-5).write_plot(tmp_path / "none" / "out.svg")
