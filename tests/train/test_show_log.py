"""The log is Caffe's, to the tools that read it as to the letter."""

from __future__ import annotations

import io
import logging
import re
from datetime import datetime
from pathlib import Path

import pytest

from bigdl_caffe.train.events import Ended, Event, Iterated, Output, Started
from bigdl_caffe.train.show.log import Messages, log_by, log_to, prefix
from tests.train.events import events_of, training

SOLVERS = Path(__file__).parents[1] / "golden" / "solvers"
SPEED = re.compile(r" \(\S+ iter/s, \S+s/\d+ iters\)")


def texts(events: list[Event]) -> list[str]:
    messages = Messages()
    return [message.text for event in events for message in messages(event)]


def glog() -> list[str]:
    out = io.StringIO()
    observe = log_to(out)
    for event in training():
        observe(event)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("case", ["with_test", "average_loss"])
def test_lines_are_those_that_caffe_wrote(case: str) -> None:
    """But for the speed, which was taken out of the kept logs."""
    log = SOLVERS / case / "solver_log.txt"
    told = texts([Started("", "SGD", 0, 20), *events_of(log)])
    told.remove("Solving ")
    assert [SPEED.sub("", line) for line in told] == log.read_text().splitlines()


def test_caffes_parse_log_reads_it() -> None:
    """After tools/extra/parse_log.py and extract_seconds.py: their expressions, and split()."""
    lines = glog()
    start = next(i for i, line in enumerate(lines) if "Solving" in line)
    found = [(line, re.search(r"Iteration (\d+)", line)) for line in lines[start:]]
    assert {int(match[1]) for _, match in found if match} == {0, 10, 20, 30, 40}
    outputs = [
        re.search(r"(Train|Test) net output #(\d+): (\S+) = ([\.\deE+-]+)", x) for x in lines
    ]
    assert [m.groups() for m in outputs if m][:3] == [
        ("Test", "0", "accuracy", "0"),
        ("Test", "1", "loss", "2.5"),
        ("Train", "0", "loss", "2.5"),
    ]
    rates = [re.search(r"lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)", line) for line in lines]
    assert [float(m[1]) for m in rates if m] == [0.01] * 4
    for line in lines:
        day, time = line.split()[:2]
        datetime.strptime(f"2026{day[1:]} {time}", "%Y%m%d %H:%M:%S.%f")


def test_caffes_shell_script_reads_it() -> None:
    """After tools/extra/parse_log.sh: the number is a certain word of the line."""
    losses = [line.split()[12] for line in glog() if ", loss = " in line]
    assert list(map(float, losses)) == pytest.approx([2.5, 2.5 / 11, 2.5 / 21, 2.5 / 31], rel=1e-5)
    rates = [line.split()[8] for line in glog() if ", lr = " in line]
    assert rates == ["0.01"] * 4
    accuracies = [line.split()[10] for line in glog() if "Test net output #0" in line]
    assert accuracies == ["0", "0.5", "1"]


def test_digits_reads_it() -> None:
    """After DIGITS' caffe_train: the prefix, then expressions that begin with the message."""
    found = [re.match(r"(\w)(\d{4} \S{8}).*]\s+(\S.*)$", line) for line in glog()]
    assert all(found)
    messages = [match[3] for match in found if match]
    number = r"(NaN|[-+]?[0-9]*\.?[0-9]+(e[-+]?[0-9]+)?)"
    assert sum(bool(re.match(rf"Iteration (\d+).*lr = {number}", m, re.I)) for m in messages) == 4
    output = rf"(Train|Test) net output #(\d+): (\S*) = {number}"
    assert sum(bool(re.match(output, m, re.I)) for m in messages) == 10
    saved = messages.index("Snapshotting to binary proto file lenet_iter_40.caffemodel")
    assert messages[saved + 1].startswith("Snapshotting solver state")


def test_numbers_look_as_streams_of_c_write_them() -> None:
    outputs = (Output("p", (1e-7, 123456789.0, float("nan"), 0.1 + 0.2), 0.5),)
    told = texts([Iterated(0, 1.0, 1.0, 1e-5, outputs, 1, 0, 0.0, True)])
    assert told[1:] == [
        "    Train net output #0: p = 1e-07 (* 0.5 = 5e-08 loss)",
        "    Train net output #1: p = 1.23457e+08 (* 0.5 = 6.17284e+07 loss)",
        "    Train net output #2: p = nan (* 0.5 = nan loss)",
        "    Train net output #3: p = 0.3 (* 0.5 = 0.15 loss)",
        "Iteration 0, lr = 1e-05",
    ]


def test_the_speed_is_that_since_the_last_line() -> None:
    told = [line for line in texts(list(training())) if "iter/s" in line]
    assert told[0].startswith("Iteration 0 (2 iter/s, 0.5s/1 iters), loss = 2.5")
    assert told[1].startswith("Iteration 10 (2 iter/s, 5s/10 iters), loss = ")


def test_the_prefix_is_glogs() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 6)
    assert re.fullmatch(
        r"I0102 03:04:05\.000006 +\d+ solver\.cpp:239\] ", prefix("solver.cpp:239", now)
    )


def test_the_logging_module_gets_them_bare(caplog: pytest.LogCaptureFixture) -> None:
    observe = log_by(logging.getLogger("bigdl_caffe"))
    with caplog.at_level(logging.INFO, "bigdl_caffe"):
        observe(Started("LeNet", "SGD", 5, 9, resumed="a.solverstate"))
        observe(Ended(7, "loss is NaN"))
    assert caplog.messages == [
        "Solver scaffolding done.",
        "Solving LeNet",
        "Restoring previous solver status from a.solverstate",
        "Optimization stopped early. (loss is NaN)",
    ]
