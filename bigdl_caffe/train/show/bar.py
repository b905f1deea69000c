"""How far a training is: a line that renews itself, or one now and then in a log."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from bigdl_caffe.train.events import Ended, Event, Iterated, Started, Tested
from bigdl_caffe.train.show.history import scalars_of

_WIDTH = 16
_MEMORY = 0.95
"""The share of what is known of the speed that stays after an iteration."""


class Display(Protocol):
    """Where a line is shown.

    Attributes
    ----------
    seconds : float
        The least time between two lines.
    """

    seconds: float

    def show(self, line: str) -> None:
        """Show ``line``, in the place of the one before it if that can be."""

    def close(self, line: str) -> None:
        """Show ``line`` for good."""


class Terminal:
    """One line of a terminal, which the next one overwrites."""

    seconds = 0.2

    def __init__(self, out: TextIO) -> None:
        self._out, self._length = out, 0

    def show(self, line: str) -> None:
        """Write over the line before, no more than fits: what is wrapped stays."""
        line = line[: shutil.get_terminal_size().columns - 1]
        self._out.write("\r" + line.ljust(self._length))
        self._out.flush()
        self._length = len(line)

    def close(self, line: str) -> None:
        """Write over it a last time."""
        self.show(line)
        self._out.write("\n")
        self._length = 0


class Log:
    """A file, or whatever cannot overwrite: a line now and then."""

    seconds = 5.0

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, line: str) -> None:
        """Write a line."""
        self._out.write(line + "\n")
        self._out.flush()

    close = show


class Notebook:
    """One output of a notebook's cell, which the next line replaces."""

    seconds = 0.5

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, line: str) -> None:
        """Replace the line before."""
        from IPython.display import Pretty, display  # it is there: a notebook runs this

        text = Pretty(line)
        if self._handle is None:
            self._handle = display(text, display_id=True)
        else:
            self._handle.update(text)

    close = show


def display_for(out: TextIO) -> Display:
    """Return the display that suits ``out`` and the process."""
    if out.isatty():
        return Terminal(out)
    return Notebook() if out is sys.stderr and _in_notebook() else Log(out)


def _in_notebook() -> bool:
    """Return whether a Jupyter kernel runs this process."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


class Bar:
    """Observer that shows how far a training is.

    As a context it leaves the last line standing, however training ends.

    Parameters
    ----------
    display : Display, optional
        By default what suits stderr: a terminal, a notebook or a log.
    clock : callable
        Gives seconds.
    """

    def __init__(
        self, display: Display | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._display = display or display_for(sys.stderr)
        self._clock = clock
        self._started = Started("", "", 0, 0)
        self._line, self._test = "", ""
        self._begun = self._shown = 0.0
        self._rows = self._seconds = 0.0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._close("")

    def __call__(self, event: Event) -> None:
        """Show what ``event`` changes, if the last line has been there long enough."""
        now = self._clock()
        if isinstance(event, Started):
            self._started = event
            self._begun = self._shown = now
        elif isinstance(event, Tested):
            told = (f"{name} {value:.4g}" for name, value in scalars_of(event).items())
            self._test = f", test {' '.join(told)}"
        elif isinstance(event, Iterated):
            self._iterated(event, now)
        elif isinstance(event, Ended):
            self._close(f" ({event.why})" if event.why else "")

    def _close(self, why: str) -> None:
        """Show the last line for good, if there is one."""
        if self._line:
            self._display.close(self._line + self._test + why)
            self._line = ""

    def _iterated(self, event: Iterated, now: float) -> None:
        self._rows = _MEMORY * self._rows + event.rows
        self._seconds = _MEMORY * self._seconds + event.seconds
        speed = self._rows / self._seconds if self._seconds else 0.0
        done, total = event.iteration + 1, self._started.max_iter
        here = done - self._started.iteration
        left = (now - self._begun) / max(here, 1) * (total - done)
        self._line = line(done, total, event, speed, left)
        if now - self._shown >= self._display.seconds:
            self._display.show(self._line + self._test)
            self._shown = now


def line(done: int, total: int, event: Iterated, speed: float, left: float) -> str:
    """Return one line: a bar, iterations, loss, learning rate, images a second, time left."""
    filled = _WIDTH * done // max(total, 1)
    bar = "#" * filled + "." * (_WIDTH - filled)
    epoch = f" (epoch {event.epoch:.1f})" if event.epoch else ""
    ahead = f", {clock_time(left)} left" if done < total else ""
    numbers = f"loss {event.smoothed:.4g}, lr {event.rate:.4g}, {speed:.0f} images/s"
    return f"[{bar}] {done}/{total}{epoch}, {numbers}{ahead}"


def clock_time(seconds: float) -> str:
    """Return m:ss, or h:mm:ss where it is an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
