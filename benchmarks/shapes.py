"""Measure how long it takes to infer the shapes and count the MACs of the public nets.

They are third-party and lie beside the clone, in ``../shared/prototxts``. For each net that
builds: one clock runs over all that lies between the parsed definition and a net with shapes
(phase rules, value names, layer objects, inference) and over the count of its
multiply-accumulates; another over the reading of its text, which is what the ratio is to.

    python -m benchmarks.shapes
"""

from __future__ import annotations

import logging
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.layers.registry import registry
from bigdl_caffe.load import read_definition
from tests.public_nets import files, load, name_of, states

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """Seconds that one net took."""

    name: str
    layers: int
    read: float
    shapes: float


def main() -> None:
    logging.disable(logging.WARNING)
    timings = list(measure())
    slowest = max(timings, key=lambda timing: timing.shapes)
    layers, busy = sum(timing.layers for timing in timings), os.getloadavg()[0]
    print(f"{len(timings)} nets, {layers} layers, load average {busy:.1f}\n")
    print("| milliseconds a net | mean | median | slowest |\n|---|---|---|---|")
    print(_row("shapes and MACs", [t.shapes for t in timings]))
    print(_row("reading the text", [t.read for t in timings]))
    ratio = sum(t.shapes for t in timings) / sum(t.read for t in timings)
    print(f"\nShapes and MACs take {ratio:.2f} times as long as reading the text.")
    print(f"Slowest: {slowest.name}, {slowest.layers} layers.")


def measure() -> Iterator[Timing]:
    """Yield a timing for each file whose net builds, in the first state that does."""
    types = registry()
    for path in files():
        try:
            read, definition = _timed(partial(read_definition, str(path), types))
        except CaffeError:
            continue
        name = name_of(path)
        for state in (s for phase in ("TEST", "TRAIN") for s in states(name, definition, phase)):
            try:
                shapes, net = _timed(partial(load, name, definition, state, types))
            except CaffeError:
                continue
            macs, _ = _timed(net.macs)
            yield Timing(name, len(net.layers), read, shapes + macs)
            break


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def _row(what: str, seconds: list[float]) -> str:
    ms = [1000 * s for s in seconds]
    return f"| {what} | {statistics.mean(ms):.2f} | {statistics.median(ms):.2f} | {max(ms):.1f} |"


if __name__ == "__main__":
    main()
