"""Snapshots and stops that signals ask for, as caffe's command line has them."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Mapping
from types import FrameType
from typing import Any

from bigdl_caffe.train.events import Action, Event

EFFECTS = {"snapshot": Action.SNAPSHOT, "stop": Action.STOP, "none": Action.NONE}
"""What a signal can be made to do, by Caffe's names (``sigint_effect``)."""


class Signals:
    """Rule of a training in one process: signals that came ask for what they are to do.

    Within its context the signals are caught. Where one asks to stop, the next of its kind
    does what it would have done without this: so a second Ctrl-C ends a training that does
    not come to the end of its iteration.

    Parameters
    ----------
    effects : mapping of int to Action
        Number of a signal → its effect; `Action.NONE` leaves the signal alone.

    Attributes
    ----------
    stopped : bool
        Whether a signal has asked to stop.
    why : str
        Name of the signal that asked to stop: what the training says of its end.
    """

    def __init__(self, effects: Mapping[int, Action]) -> None:
        self._effects = {number: act for number, act in effects.items() if act != Action.NONE}
        self._before: dict[int, Any] = {}
        self._asked: deque[Action] = deque()
        self.stopped = False
        self.why = ""

    def __enter__(self) -> Signals:
        self._before = {n: signal.signal(n, self._note) for n in self._effects}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self, event: Event) -> Action:
        """Return what was asked for first."""
        return self._asked.popleft() if self._asked else Action.NONE

    def _note(self, number: int, frame: FrameType | None) -> None:
        effect = self._effects[number]
        self._asked.append(effect)
        if effect is Action.STOP:
            self.stopped = True
            self.why = f"{signal.Signals(number).name} came"
            signal.signal(number, self._before[number])
