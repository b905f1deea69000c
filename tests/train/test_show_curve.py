"""The numbers of a training as columns, and as a picture."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from bigdl_caffe.train import events
from bigdl_caffe.train.events import Iterated, Output
from bigdl_caffe.train.show.curve import LEFT, POINTS, RIGHT, learning_curve
from bigdl_caffe.train.show.history import History, Table
from bigdl_caffe.train.show.scales import Scale, fit
from tests.train.events import scored, training


def history(iterations: int = 40) -> History:
    kept = History()
    for event in training(iterations):
        kept(event)
    return kept


def drawn(kept: History, title: str = "LeNet") -> ElementTree.Element:
    return ElementTree.fromstring(learning_curve(kept, title))


def texts(picture: ElementTree.Element) -> list[str]:
    return ["".join(e.itertext()) for e in picture.iter() if e.tag.endswith("}text")]


def lines(picture: ElementTree.Element) -> list[list[tuple[float, float]]]:
    found = (e.get("points", "").split() for e in picture.iter() if e.tag.endswith("}polyline"))
    return [[(float(x), float(y)) for x, y in (p.split(",") for p in ps)] for ps in found]


def test_history_is_columns() -> None:
    columns = history().columns()
    assert columns["train"]["iteration"] == [*range(40)]
    assert columns["train"]["loss"][:2] == [2.5, 1.25]
    assert columns["test"] == {
        "iteration": [0, 20, 40],
        "accuracy": [0, 0.5, 1],
        "loss": [2.5, 2.0, 1.5],
    }


def test_a_late_column_begins_with_nan() -> None:
    table = Table()
    table.add({"a": 1})
    table.add({"b": 2})
    columns = table.columns()
    assert columns["a"][0] == 1
    assert columns["b"][1] == 2
    assert math.isnan(columns["a"][1])
    assert math.isnan(columns["b"][0])


def test_every_number_of_an_output_has_a_name() -> None:
    kept = History()
    outputs = (Output("p", (0.1, 0.9)), Output("l1", (1.0,), 1.0), Output("l2", (2.0,), 0.5))
    kept(events.Tested(0, 1, outputs, 2.0, 10))
    assert kept.columns()["test 1"] == {
        "iteration": [0],
        "p[0]": [0.1],
        "p[1]": [0.9],
        "l1": [1.0],
        "l2": [2.0],
        "total loss": [2.0],
    }


def test_the_picture_tells_what_it_shows() -> None:
    told = texts(drawn(history(), "a < b"))
    assert told[0] == "a < b"
    assert {"Loss", "Tests", "Learning rate", "iteration (3.9 epochs)"} <= set(told)
    assert {"train 0.0625", "test: loss 1.5", "test: accuracy 1"} <= set(told)


@pytest.mark.parametrize("iterations", [1, 2, 50, 20_000])
def test_curves_lie_in_their_panels_and_are_short(iterations: int) -> None:
    for points in lines(drawn(history(iterations))):
        assert len(points) <= 2 * POINTS + 2
        assert all(LEFT <= x <= RIGHT for x, _ in points)
        assert all(70 <= y <= 700 for _, y in points)


def test_peaks_are_not_lost() -> None:
    kept = history(20_000)
    flat = min(y for _, y in lines(drawn(kept))[0])
    peak = history(20_000)
    peak(Iterated(20_001, 1e6, 1e6, 0.01, (), 64, 1.0, 0.5, False))
    kept(Iterated(20_001, 1e-3, 1e-3, 0.01, (), 64, 1.0, 0.5, False))
    ends = [lines(drawn(k))[0][-1][1] for k in (kept, peak)]
    assert ends[1] <= flat + 1 < ends[0]


def test_names_do_not_cover_each_other() -> None:
    kept = history()
    for net in (1, 2):
        kept(scored(40, 1.0, net))
    named = [e for e in drawn(kept).iter() if e.tag.endswith("}text") and "test" in (e.text or "")]
    heights = [float(e.get("y", "")) for e in named]
    assert len(heights) == 6
    assert all(abs(a - b) >= 15 for i, a in enumerate(heights) for b in heights[:i])


def test_nothing_and_nan_can_be_drawn() -> None:
    assert len(lines(drawn(History()))) == 0
    kept = History()
    for i, loss in enumerate((1.0, float("nan"), float("inf"))):
        kept(Iterated(i, loss, loss, 0.1, (), 1, 0.0, 0.1, False))
    assert not re.search(r"nan|inf", learning_curve(kept, ""))


def test_scales() -> None:
    assert Scale(0, 10, 100, 200)(5) == 150
    assert Scale(0, 10, 0, 1).ticks(5) == [0, 2, 4, 6, 8, 10]
    assert Scale(1, 100, 0, 10, log=True)(10) == pytest.approx(5)
    assert Scale(0.005, 200, 0, 1, log=True).ticks(9) == [0.01, 0.1, 1, 10, 100]
    assert len(Scale(1e-30, 1, 0, 1, log=True).ticks(6)) <= 6
    assert fit([1.0, 1000.0], 0, 1).log
    assert not fit([0.0, 1000.0], 0, 1).log
    assert fit([3.0], 0, 1)(3.0) == pytest.approx(0.5)
