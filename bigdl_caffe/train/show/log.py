"""A training's log in the lines that Caffe writes, for the tools that read them.

Caffe's own ``tools/extra`` (parse_log, extract_seconds, plot_training_log), DIGITS and many
scripts take numbers out of such lines by regular expressions. The words are those of
``solver.cpp`` and ``sgd_solver.cpp``, the numbers look as C++ streams write them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from bigdl_caffe.train.events import (
    Ended,
    Event,
    Iterated,
    Observer,
    Output,
    Snapshotted,
    Started,
    Tested,
)


@dataclass(frozen=True)
class Message:
    """One line.

    Attributes
    ----------
    place : str
        The source file and line of Caffe that write it.
    text : str
    """

    place: str
    text: str


class Messages:
    """Says what Caffe logs at each event."""

    def __init__(self) -> None:
        self._iterations, self._seconds = 0, 0.0

    def __call__(self, event: Event) -> Iterator[Message]:
        """Yield the lines of ``event``."""
        if isinstance(event, Started):
            yield from _started(event)
        elif isinstance(event, Iterated):
            yield from self._iterated(event)
        elif isinstance(event, Tested):
            yield from _tested(event)
        elif isinstance(event, Snapshotted):
            yield from _snapshotted(event)
        else:
            yield from _ended(event)

    def _iterated(self, event: Iterated) -> Iterator[Message]:
        self._iterations += 1
        self._seconds += event.seconds
        if not event.displayed:
            return
        speed = self._iterations / (self._seconds or 1.0)
        took = f"{speed:g} iter/s, {self._seconds:g}s/{self._iterations} iters"
        self._iterations, self._seconds = 0, 0.0
        at = f"Iteration {event.iteration}"
        yield Message("solver.cpp:239", f"{at} ({took}), loss = {event.smoothed:g}")
        for line in _outputs("Train", event.outputs):
            yield Message("solver.cpp:258", line)
        yield Message("sgd_solver.cpp:112", f"{at}, lr = {event.rate:g}")


def _started(event: Started) -> Iterator[Message]:
    yield Message("solver.cpp:57", "Solver scaffolding done.")
    yield Message("solver.cpp:289", f"Solving {event.net}")
    if event.resumed:
        told = f"Restoring previous solver status from {event.resumed}"
        yield Message("solver.cpp:296", told)


def _tested(event: Tested) -> Iterator[Message]:
    yield Message("solver.cpp:347", f"Iteration {event.iteration}, Testing net (#{event.net})")
    for line in _outputs("Test", event.outputs):
        yield Message("solver.cpp:414", line)


def _outputs(net: str, outputs: tuple[Output, ...]) -> Iterator[str]:
    """Yield a line for each number that a net puts out, with its share of the loss."""
    pairs = [(output, value) for output in outputs for value in output.values]
    for i, (output, value) in enumerate(pairs):
        weight = output.weight
        share = f" (* {weight:g} = {weight * value:g} loss)" if weight else ""
        yield f"    {net} net output #{i}: {output.blob} = {value:g}{share}"


def _snapshotted(event: Snapshotted) -> Iterator[Message]:
    form = "HDF5" if event.weights.endswith(".h5") else "binary proto"
    yield Message("solver.cpp:464", f"Snapshotting to {form} file {event.weights}")
    told = f"Snapshotting solver state to {form} file {event.state}"
    yield Message("sgd_solver.cpp:285", told)


def _ended(event: Ended) -> Iterator[Message]:
    if event.why:
        yield Message("solver.cpp:311", f"Optimization stopped early. ({event.why})")
    else:
        yield Message("solver.cpp:332", "Optimization Done.")


def log_to(out: TextIO) -> Observer:
    """Return an observer that writes Caffe's lines to ``out``, each as glog does."""
    messages = Messages()

    def observe(event: Event) -> None:
        out.writelines(f"{prefix(message.place)}{message.text}\n" for message in messages(event))
        out.flush()  # for who reads along

    return observe


def log_by(logger: logging.Logger) -> Observer:
    """Return an observer that gives the lines to ``logger``, which has a form of its own."""
    messages = Messages()

    def observe(event: Event) -> None:
        for message in messages(event):
            logger.info("%s", message.text)

    return observe


def prefix(place: str, now: datetime | None = None) -> str:
    """Return what glog puts before a line: level, day, time, process and place."""
    return f"I{now or datetime.now():%m%d %H:%M:%S.%f} {os.getpid():5d} {place}] "
