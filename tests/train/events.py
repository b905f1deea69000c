"""A training as its events, made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bigdl_caffe.train.events import Ended, Event, Iterated, Output, Snapshotted, Started, Tested


def training(iterations: int = 40, test_every: int = 20, display: int = 10) -> Iterator[Event]:
    yield Started("LeNet", "SGD", 0, iterations)
    for i in range(iterations):
        if i % test_every == 0:
            yield scored(i, i / iterations)
        loss = 2.5 / (i + 1)
        yield Iterated(
            i, loss, loss, 0.01, (Output("loss", (loss,), 1.0),), 64, i / 10, 0.5, i % display == 0
        )
    yield scored(iterations, 1.0)
    yield Snapshotted(iterations, "lenet_iter_40.caffemodel", "lenet_iter_40.solverstate")
    yield Ended(iterations)


def scored(iteration: int, accuracy: float, net: int = 0) -> Tested:
    outputs = (Output("accuracy", (accuracy,)), Output("loss", (2.5 - accuracy,), 1.0))
    return Tested(iteration, net, outputs, 2.5 - accuracy, 100)


_NUMBERS = re.compile(r"Iteration (\d+), (loss|lr) = (\S+)")
_TESTING = re.compile(r"Iteration (\d+), Testing net \(#(\d+)\)")
_OUTPUT = re.compile(r"    T\w+ net output #\d+: (\S+) = (\S+)(?: \(\* (\S+) = \S+ loss\))?")


def events_of(log: Path) -> Iterator[Event]:
    """Yield the events that a log of Caffe without prefixes tells of."""
    lines = log.read_text().splitlines()
    while lines:
        line = lines.pop(0)
        if testing := _TESTING.fullmatch(line):
            yield Tested(int(testing[1]), int(testing[2]), _outputs(lines), None, 0)
        elif numbers := _NUMBERS.fullmatch(line):
            outputs = _outputs(lines)
            rate = _NUMBERS.fullmatch(lines.pop(0))
            assert rate
            loss = float(numbers[3])
            number = int(numbers[1])
            yield Iterated(number, loss, loss, float(rate[3]), outputs, 0, 0, 0.1, True)


def _outputs(lines: list[str]) -> tuple[Output, ...]:
    """Take the outputs that ``lines`` begin with."""
    found = []
    while lines and (output := _OUTPUT.fullmatch(lines[0])):
        found.append(Output(output[1], (float(output[2]),), float(output[3] or 0)))
        del lines[0]
    return tuple(found)
