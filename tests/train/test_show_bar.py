"""The progress of a training, on a terminal, in a log and in a notebook."""

from __future__ import annotations

import io
import sys
import types
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from bigdl_caffe.train.events import Ended, Iterated, Started
from bigdl_caffe.train.show.bar import Bar, Log, Notebook, Terminal, clock_time, display_for
from tests.train.events import training


class Ticking:
    """A clock on which every look takes ``step`` seconds."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def run(display: type[Log] | type[Terminal], step: float = 1.0) -> str:
    out = io.StringIO()
    bar = Bar(display(out), Ticking(step))
    for event in training():
        bar(event)
    return out.getvalue()


def test_a_log_gets_a_line_now_and_then() -> None:
    lines = run(Log).splitlines()
    assert len(lines) == 9  # 44 looks at the clock, a line each 5 seconds, and the last
    assert lines[3] == (
        "[#######.........] 19/40 (epoch 1.8), loss 0.1316, lr 0.01, 128 images/s, "
        "0:22 left, test accuracy 0 loss 2.5"
    )
    assert lines[-1] == (
        "[################] 40/40 (epoch 3.9), loss 0.0625, lr 0.01, 128 images/s, "
        "test accuracy 1 loss 1.5"
    )


def test_a_terminal_has_one_line() -> None:
    told = run(Terminal)
    assert told.count("\n") == 1
    assert told.endswith("\n")
    shown = told.split("\r")[1:]
    assert len(shown) == 41
    assert all(len(after) >= len(line.rstrip()) for line, after in pairwise(shown))


def test_a_narrow_terminal_does_not_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert {len(line.rstrip("\n")) for line in run(Terminal).split("\r")[1:]} == {59}


def test_a_fast_training_does_not_flood() -> None:
    assert run(Terminal, step=0.001).count("\r") == 1
    assert run(Log, step=0.001).count("\n") == 1


def test_a_resumed_training_is_timed_from_where_it_began() -> None:
    out = io.StringIO()
    bar = Bar(Log(out), Ticking(10.0))
    bar(Started("LeNet", "SGD", 90, 100))
    bar(Iterated(90, 1.0, 1.0, 0.1, (), 0, 0.0, 0.0, False))
    assert out.getvalue().endswith("91/100, loss 1, lr 0.1, 0 images/s, 1:30 left\n")


def test_what_stopped_it_is_said() -> None:
    out = io.StringIO()
    bar = Bar(Log(out), Ticking(0.0))
    bar(Started("LeNet", "SGD", 0, 2))
    bar(Iterated(0, 1.0, 1.0, 0.1, (), 8, 0.0, 0.5, False))
    bar(Ended(1, "interrupted"))
    assert out.getvalue().endswith("left (interrupted)\n")


def test_a_training_that_fails_leaves_its_line() -> None:
    out = io.StringIO()
    with suppress(ValueError), Bar(Terminal(out), Ticking(1.0)) as bar:
        bar(Started("LeNet", "SGD", 0, 2))
        bar(Iterated(0, 1.0, 1.0, 0.1, (), 8, 0.0, 0.5, False))
        raise ValueError
    assert out.getvalue().endswith("left\n")


def test_a_notebook_replaces_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    handle = types.SimpleNamespace(update=shown.append)

    def display(text: str, display_id: bool) -> Any:
        shown.append(text)
        return handle

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=None)  # type: ignore[attr-defined]  # a stand-in
    page = types.ModuleType("IPython.display")
    page.__dict__.update(Pretty=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", page)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    chosen = display_for(sys.stderr)
    assert isinstance(chosen, Notebook)
    chosen.show("a")
    chosen.close("b")
    assert shown == ["a", "b"]


def test_without_a_terminal_it_is_a_log() -> None:
    assert isinstance(display_for(io.StringIO()), Log)


def test_times() -> None:
    assert [clock_time(s) for s in (0, 59.4, 61, 3600, 90061)] == [
        *("0:00", "0:59", "1:01", "1:00:00", "25:01:01"),
    ]
