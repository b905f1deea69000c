"""Measure how long it takes to infer the shapes and count the MACs of public nets.

For each prototxt below a folder: the clock runs over all that lies between the parsed
definition and a net with shapes (phase rules, value names, layer objects, inference),
and then over the count of multiply-accumulates. Reading the text is timed beside it. As
peer, OpenCV 4 reads the same prototxt, where it can (it infers shapes only when it runs).

    python benchmarks/shapes.py <folder of prototxts>
"""

from __future__ import annotations

import argparse
import logging
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.layers.assemble import Options, assemble
from bigdl_caffe.layers.registry import registry
from bigdl_caffe.load import read_definition

GUESS = (2, 3, 256, 256)
"""The shape that an input of open shape is given."""

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """Seconds that one net took."""

    name: str
    layers: int
    read: float
    shapes: float
    macs: float
    opencv: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    logging.disable(logging.WARNING)
    timings = list(measure(parser.parse_args().folder))
    inferred = [t.shapes + t.macs for t in timings]
    slowest = max(timings, key=lambda t: t.shapes + t.macs)
    print(f"{len(timings)} nets, {sum(t.layers for t in timings)} layers; milliseconds a net:\n")
    print("| what | mean | median | slowest |\n|---|---|---|---|")
    print(_row("shapes and MACs", inferred))
    print(_row("reading the text", [t.read for t in timings]))
    peer = [t for t in timings if t.opencv is not None]
    if peer:
        print(_row(f"OpenCV readNetFromCaffe ({len(peer)} nets)", [t.opencv or 0 for t in peer]))
        ours = sum(t.read + t.shapes for t in peer)
        print(f"\nRead and infer on those nets: {sum(t.opencv or 0 for t in peer) / ours:.2f} times")
        print("as fast as OpenCV reads them.")
    print(f"\nSlowest: {slowest.name}, {slowest.layers} layers.")


def measure(folder: Path) -> Iterator[Timing]:
    """Yield a timing for each prototxt whose net can be built."""
    types = registry()
    for path in sorted(folder.rglob("*.prototxt")):
        try:
            read, definition = _timed(lambda path=path: read_definition(str(path)))
            options = _options(definition)
        except CaffeError:
            continue
        shapes, net = _timed(lambda d=definition, o=options: assemble(d, o, types))
        macs, _ = _timed(net.macs)
        yield Timing(path.name, len(net.layers), read, shapes, macs, _opencv(path))


def _options(definition: pb.NetParameter) -> Options:
    """Return options with which the net can be built, input shapes guessed where open."""
    given: dict[str, tuple[int, ...]] = {}
    for _ in range(4):
        for phase in ("TEST", "TRAIN"):
            try:
                assemble(definition, Options(phase, input_shapes=given), registry())
            except CaffeError as error:
                open_inputs = re.findall(r"input_shapes=\{'([^']+)'", str(error))
                given = given | dict.fromkeys(open_inputs, GUESS)
                last = error
            else:
                return Options(phase, input_shapes=given)
    raise last


def _opencv(path: Path) -> float | None:
    try:
        import cv2
    except ImportError:
        return None
    try:
        return _timed(lambda: cv2.dnn.readNetFromCaffe(str(path)))[0]
    except cv2.error:
        return None


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def _row(what: str, seconds: list[float]) -> str:
    ms = [1000 * s for s in seconds]
    return f"| {what} | {statistics.mean(ms):.2f} | {statistics.median(ms):.2f} | {max(ms):.1f} |"


if __name__ == "__main__":
    main()
