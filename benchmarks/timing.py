"""Times of things that take turns, and the tables that show them.

Whatever else the machine does meets all that is compared: each round measures every way once,
each time another one first, and a ratio is one of medians over the rounds.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.machine import load_average

Way = TypeVar("Way")

LEAST = 0.2
"""Seconds that one measurement takes at least: what is quicker is done several times."""


@dataclass(frozen=True)
class Times:
    """Seconds of all rounds, and the load average beside each."""

    seconds: tuple[float, ...]
    loads: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    def spread(self, form: str = "{:.1f}", scale: float = 1e3) -> str:
        """Return the least and the most, in milliseconds by default."""
        least, most = (form.format(scale * s) for s in (min(self.seconds), max(self.seconds)))
        return f"{least} to {most}"

    @property
    def load(self) -> str:
        """The load averages in words."""
        if not self.loads:
            return ""
        low, high = f"{min(self.loads):.1f}", f"{max(self.loads):.1f}"
        return low if low == high else f"{low} to {high}"


def turns(ways: Sequence[Way], rounds: int) -> Iterator[tuple[Way, ...]]:
    """Yield the ways of each round, another one first each time."""
    for i in range(rounds):
        at = i % len(ways)
        yield (*ways[at:], *ways[:at])


def interleaved(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Times]:
    """Call each of ``works``, which return their seconds, once a round."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in works}
    for order in turns(list(works), rounds):
        for way in order:
            found[way].append((works[way](), load_average()))
    return {way: Times(*zip(*pairs, strict=True)) for way, pairs in found.items()}


def seconds(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def seconds_each(work: Callable[[], object], least: float = LEAST) -> float:
    """Return how long ``work`` takes, done again until ``least`` seconds are over."""
    start, done = time.perf_counter(), 0
    while True:
        work()
        done += 1
        now = time.perf_counter() - start
        if now >= least:
            return now / done


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write_json(path: Path | None, found: Any) -> None:
    """Write what was measured, where a path is given; dataclasses too."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(found, indent=1, default=asdict)
        path.write_text(text + "\n", encoding="utf-8")
