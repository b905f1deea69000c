"""The parts of the benchmarks that compute, and measure nothing."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.agreement import agreement
from benchmarks.command import Command, read_seconds
from benchmarks.timing import Times, interleaved, markdown, turns


def test_each_round_begins_with_another() -> None:
    assert list(turns("ab", 3)) == [("a", "b"), ("b", "a"), ("a", "b")]


def test_all_are_measured_once_a_round() -> None:
    calls: list[str] = []

    def work(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    found = interleaved({"a": lambda: work("a"), "b": lambda: work("b")}, 3)
    assert "".join(calls) == "abbaab"
    assert found["a"].seconds == (1.0, 4.0, 5.0)
    assert found["a"].median == 4.0
    assert len(found["b"].loads) == 3


def test_tables_are_markdown() -> None:
    assert markdown(["a", "b"], [[1, "x"]]) == "| a | b |\n| --- | --- |\n| 1 | x |"
    assert Times((0.001, 0.003)).spread() == "1.0 to 3.0"


def test_seconds_are_read_from_words() -> None:
    said = "I1 Average Forward pass: 50.5 ms.\nAverage Forward pass: 60 ms."
    assert read_seconds(said) == pytest.approx(0.06)
    assert read_seconds("seconds: 1.5e-1") == pytest.approx(0.15)
    assert read_seconds("milliseconds: 20") == pytest.approx(0.02)
    assert read_seconds("nothing") is None


def test_a_command_needs_a_name() -> None:
    assert Command.parsed("caffe=caffe time --x=1") == Command("caffe", "caffe time --x=1")
    with pytest.raises(SystemExit, match="NAME=COMMAND"):
        Command.parsed("caffe")


def test_agreement_in_words() -> None:
    exact = np.array([[0.5, 0.25]])
    assert agreement(np.array([[0.5, 0.2505]]), exact) == "1e-03"
    assert agreement(exact * np.nan, exact) == "not finite"
    boxes = np.array([[[[0, 1, 0.5, 0, 0, 1, 1], [0, 2, 0.4, 0, 0, 1, 1]]]])
    assert agreement(boxes[:, :, ::-1], boxes) == "100.0 % of the boxes"
    assert agreement(boxes[:, :, :1], boxes) == "50.0 % of the boxes"
